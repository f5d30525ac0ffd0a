"""How the runner turns a step's bytes into lines, and clone addresses into something fit for argv."""

from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from libs.common.supervisor import MAX_FRAME_BYTES, READ_BYTES, Supervisor
from services.builds.runner.checkout import remote
from services.builds.runner.report import LINE_BYTES, Ended, Lines, Report
from services.builds.runner.spec import Credentials, RunSpec


class Frames(list[Mapping[str, Any]]):
    """Keeps frames."""

    def send(self, frame: Mapping[str, Any], /) -> None:
        self.append(frame)

    def text(self, level: str) -> str:
        return "\n".join(frame["text"] for frame in self if frame["level"] == level)


@given(st.lists(st.binary(max_size=50)), st.lists(st.binary(max_size=50)))
def test_lines_do_not_depend_on_where_reads_cut_them(out: list[bytes], err: list[bytes]) -> None:
    """However the bytes of a stream arrive, its lines are those of the whole."""
    frames = Frames()
    lines = Lines(Report(frames, 10**6))
    for index in range(max(len(out), len(err))):
        for stream, pieces in (("stdout", out), ("stderr", err)):
            if index < len(pieces):
                lines.feed(stream, pieces[index])
    lines.close()
    for stream, pieces in (("stdout", out), ("stderr", err)):
        assert frames.text(stream) == b"".join(pieces).removesuffix(b"\n").decode("utf-8", "replace")


@pytest.mark.parametrize("character", ["x", "é", "\U0001f680"])
@pytest.mark.parametrize("pieces", [1, 7, 5000])
def test_a_line_is_cut_at_its_limit_whatever_it_is_made_of(character: str, pieces: int) -> None:
    """A line that does not end is kept to LINE_BYTES, its note included, in whole characters."""
    frames = Frames()
    lines = Lines(Report(frames, 10**7))
    data = character.encode() * 20_000
    for start in range(0, len(data), len(data) // pieces):
        lines.feed("stdout", data[start : start + len(data) // pieces])
    lines.feed("stdout", b"\nnext\n")
    cut, after = frames.text("stdout").split("\n")
    assert LINE_BYTES - 3 <= len(cut.encode()) <= LINE_BYTES
    assert cut.endswith(f"{character} [line cut at 16 KB]")
    assert after == "next"


def test_the_worst_read_fits_into_a_frame() -> None:
    """Control characters take six bytes each in JSON; a frame of them is still one that the worker takes."""
    frames = Frames()
    Lines(Report(frames, 10**7)).feed("stdout", (b"\x01" * 1023 + b"\n") * (READ_BYTES // 1024))
    sent = bytearray()

    class Fake:
        _unsent = sent

    Supervisor.send(Fake(), frames[0])  # type: ignore[arg-type]
    assert len(sent) <= MAX_FRAME_BYTES


def test_output_over_the_budget_is_truncated_once_and_the_runner_still_speaks() -> None:
    """After the limit only the runner's own lines are sent."""
    frames = Frames()
    report = Report(frames, 10)
    for _ in range(5):
        report.output("stdout", "12345678")
    report.info("exit code 0")
    assert frames.text("stdout") == "12345678\n12345678"
    assert frames.text("error").startswith("[truncated]")
    assert len(frames) == 4


A, B = Credentials("ada", "x"), Credentials("bob", "y@z")


@pytest.mark.parametrize(
    ("url", "given_credentials", "expected"),
    [
        ("https://h/a.git", Credentials(), ("https://h/a.git", "https", Credentials())),
        ("https://h/a.git", A, ("https://h/a.git", "https", A)),
        ("https://bob:y%40z@h:8443/a", Credentials(), ("https://h:8443/a", "https", B)),
        ("https://bob:y%40z@h/a", A, ("https://h/a", "https", A)),
        ("ssh://git@h/a", A, ("ssh://git@h/a", "ssh", A)),
        ("git@h:a/b.git", A, ("git@h:a/b.git", "ssh", A)),
        ("h:a", A, ("h:a", "ssh", A)),
    ],
)
def test_credentials_are_taken_out_of_addresses(
    url: str, given_credentials: Credentials, expected: tuple[str, str, Credentials]
) -> None:
    """What reaches argv and the log holds no secret."""
    found = remote(url, given_credentials, allow_insecure=False)
    assert (found.url, found.scheme, found.credentials) == expected


@pytest.mark.parametrize(
    "url",
    ["", "-x", "--upload-pack=id", "-oProxyCommand=id:x", "/etc", "./a", "ext::sh", "ext::sh -c id", "fd::7", "ftp://h/a",
     "https://h/a b", "https://h/a\nb", "HTTPS\x00://h", "git://h/a", "http://h/a", "file:///a"],
)  # fmt: skip
def test_other_addresses_are_refused(url: str) -> None:
    """Options, paths, git's remote helpers and insecure schemes are no clone addresses."""
    with pytest.raises(Ended) as caught:
        remote(url, Credentials(), allow_insecure=False)
    assert caught.value.code == "CLONE_FORBIDDEN"


@given(st.text())
def test_any_address_is_taken_or_refused(url: str) -> None:
    """No text makes anything but a remote or CLONE_FORBIDDEN."""
    try:
        found = remote(url, Credentials(), allow_insecure=True)
    except Ended as ended:
        code = ended.code
    else:
        code = found.scheme
    assert code in ("CLONE_FORBIDDEN", "https", "ssh", "http", "git", "file")


def test_a_spec_survives_its_line() -> None:
    """What the worker writes is what the runner reads, and its repr shows no secret."""
    spec = RunSpec(
        job_id="j", build_id="b", repository="a/b", clone_url="u", commit="c", event="push", work_folder="/w",
        changed_files=("é\n",), secrets={"S": "h1dden"}, credentials=Credentials("u", "h1dden", "h1dden"),
    )  # fmt: skip
    assert spec.to_line().count(b"\n") == 1
    assert RunSpec.from_line(spec.to_line()) == spec
    assert "h1dden" not in repr(spec)
