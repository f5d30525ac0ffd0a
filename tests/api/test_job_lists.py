"""Lists of jobs asked for with values that make no sense, on the whole gateway and both databases."""

import pytest

from tests.builds.forges.payloads import push_request
from tests.webhooks.site import Site

HUGE = "9" * 400
REFUSED = {
    "limit": ["0", "101", "-1", HUGE, "x", "", "1.5", "1e3", "٣٣٣", "0x10", "null", "[]"],
    "offset": ["-1", "10000001", HUGE, "x", "", "1.5"],
    "cursor": ["x", "", "0", HUGE, "01a1fa7c-8cc5-706b-b7ce", "'; DROP TABLE jobs; --", "🚀"],
    "since": ["x", "", HUGE, "0", "2026-13-01", "2026-02-30T00:00:00Z", "0001-01-01T00:00:00+14:00", "now", "-1"],
    "owner": ["x", "", "1.5", "0", "-1", HUGE, str(2**63)],
    "subject": ["", "x", ":", "build:", ":12"],
    "repo": ["a\0b"],
}
ACCEPTED = {
    "limit": ["1", "100"],
    "offset": ["0", "10000000"],
    "cursor": ["00000000-0000-0000-0000-000000000000", "ffffffff-ffff-ffff-ffff-ffffffffffff"],
    "since": ["2026-11-20", "2026-11-20T18:00:00Z", "0001-01-01", "9999-12-31T23:59:59.999999Z"],
    "owner": ["1", str(2**63 - 1)],
    "subject": ["a:b:c", "🚀:1", "build:" + "1" * 5000],
    "repo": ["", "x" * 5000, "🚀", "%", "'"],
    "branch": ["", "ref" * 2000],
    "kind": ["nothing.such"],
    "domain": ["elsewhere"],
    "unknown": ["parameters are passed over"],
}


async def test_values_out_of_range(site: Site) -> None:
    """Each is a 422 that names the parameter; a status that is none is the documented 400."""
    for name, values in REFUSED.items():
        for value in values:
            answer = await site.read("/jobs", **{name: value})
            error = answer.json()["error"]
            assert (answer.status_code, error["code"]) == (422, "VALIDATION_ERROR"), (name, value, answer.text)
            assert error["details"], (name, value)
            assert error["details"][0]["loc"] in (["query", name], ["query"]), (name, value, answer.text)


@pytest.mark.parametrize("status", ["x", "", "pending,running", "done", "🚀", "x" * 5000, "None"])
@pytest.mark.databases("sqlite")
async def test_a_status_that_is_none(site: Site, status: str) -> None:
    """The documented 400 says which status was not understood."""
    answer = await site.read("/jobs", status=status)
    assert answer.status_code == 400
    error = answer.json()["error"]
    assert (error["code"], error["message"]) == ("INVALID_STATUS", f"Invalid status: {status}")


async def test_values_at_the_edge_of_their_range(site: Site) -> None:
    """What is odd but has a meaning is answered, with an empty list."""
    for name, values in ACCEPTED.items():
        for value in values:
            answer = await site.read("/jobs", **{name: value})
            assert answer.status_code == 200, (name, value, answer.text)
            assert (answer.json()["jobs"], answer.json()["next_cursor"]) == ([], None)


async def test_the_same_parameter_twice(site: Site) -> None:
    """A parameter that stands twice, or a query that is none, is answered in order."""
    for query in ("limit=1&limit=2", "limit=1&limit=x", "&&&", "=", "limit", "%", "%zz=%zz", "limit=%ff", "status=%ff"):
        answer = await site.read(f"/jobs?{query}")
        assert answer.status_code in {200, 400, 422}, (query, answer.text)


async def test_pages_of_a_log(site: Site) -> None:
    """Line numbers and page sizes out of range are a 422; a number behind the end is an empty page."""
    accepted = await site.post("github", push_request("github", secret=""))
    log = f"/jobs/{accepted.json()['job_id']}/logs"
    refused = [("after", value) for value in ("-1", "x", "", HUGE, str(2**63))]
    refused += [("limit", value) for value in ("0", "-1", "1001", "x", HUGE)]
    for name, value in refused:
        answer = await site.read(log, **{name: value})
        assert answer.status_code == 422, (name, value, answer.text)
    behind = await site.read(log, after=2**63 - 1)
    assert (behind.status_code, behind.json()["lines"]) == (200, [])
