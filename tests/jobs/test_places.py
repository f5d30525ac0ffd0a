"""Places in a queue in which sharers take turns."""

from hypothesis import given
from hypothesis import strategies as st

from libs.common.jobs.places import Line, Share

SHARES = st.lists(st.tuples(st.integers(0, 12), st.integers(0, 3)), max_size=8).map(
    lambda counts: [Share(f"user:{n}", waiting, running, None) for n, (waiting, running) in enumerate(counts)]
)


def everybody(_: str) -> bool:
    return True


def in_rounds(shares: list[Share]) -> list[tuple[str, int]]:
    """The order by its definition: round after round, in each those with fewer running jobs first."""
    order = sorted(shares, key=lambda share: (share.running, share.sharer))
    most = max((share.waiting for share in shares), default=0)
    return [(share.sharer, number) for number in range(1, most + 1) for share in order if share.waiting >= number]


@given(SHARES)
def test_places_are_those_of_the_rounds(shares: list[Share]) -> None:
    """Every waiting job has the place at which it stands when all rounds are written down, so no two have the same."""
    line = Line(shares)
    assert [line.place(*one) for one in in_rounds(shares)] == [n + 1 for n in range(sum(s.waiting for s in shares))]


@given(SHARES, st.integers(1, 30))
def test_the_first_ones_are_those_with_the_lowest_places(shares: list[Share], most: int) -> None:
    """`first` counts for each sharer how many of the next jobs are theirs."""
    taken = Line(shares).first(most, everybody)
    firsts = [sharer for sharer, _ in in_rounds(shares)[:most]]
    assert taken == {sharer: firsts.count(sharer) for sharer in firsts}


def test_what_may_not_be_seen_is_left_out() -> None:
    """The jobs of others keep their places and are not among the first ones that are shown."""
    line = Line([Share("user:1", 9, 0, None), Share("user:2", 2, 0, None)])
    assert line.first(5, lambda sharer: sharer == "user:2") == {"user:2": 2}
    assert line.place("user:2", 2) == 4


def test_nobody_waits() -> None:
    """An empty line has no first ones; a job that came since it was counted stands at its head."""
    assert Line(()).first(5, everybody) == {}
    assert Line(()).place("user:1", 1) == 1
