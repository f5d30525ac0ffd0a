"""One line when something goes away, one when it is back."""

from structlog.testing import capture_logs

from libs.common.outage import Outage


def test_an_outage_is_told_once_and_its_end_once() -> None:
    """However many tries fail, the log has one line with the first reason and one with their number."""
    outage = Outage("redis", domain="builds")
    with capture_logs() as lines:
        outage.over()
        for _ in range(50):
            outage.failed(ConnectionError("refused"))
        outage.over()
        outage.over()
    assert [line["event"] for line in lines] == ["redis_away", "redis_back"]
    assert lines[0]["reason"] == "ConnectionError('refused')"
    assert lines[1]["failures"] == 50
    assert all(line["domain"] == "builds" for line in lines)
