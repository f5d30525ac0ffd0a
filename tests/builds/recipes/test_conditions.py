"""Conditions of Exousia's modules: the grammar, why one does not hold, and which ones never can."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.builds.recipes.conditions import LEFT_SIDES, MAX_LENGTH, doubts, parse, why_dropped

FACTS = {"image-type": "fedora-bootc", "distro": "fedora", "enable_plymouth": "true", "window_manager": "sway"}
HOLDING = [
    'image-type == "fedora-bootc"', "image-type == 'fedora-bootc'", "image-type == fedora-bootc",
    "enable_plymouth == true", "enable_plymouth==true", '  distro  ==  "fedora"  ',
    'image-type == "fedora-bootc" && enable_plymouth == true',
    'window_manager == "i3" || window_manager == "sway"',
    # (a || b) && c, not a || (b && c): the first term alone is not enough
    "enable_zfs == true || enable_plymouth == true && distro == fedora",
]  # fmt: skip
FAILING = [
    ('image-type == "fedora-kinoite"', "image-type is fedora-bootc"),
    ("enable_plymouth == false", "enable_plymouth is true"),
    ("desktop_environment == kde", "desktop_environment is not set"),
    ('desktop_environment == ""', "desktop_environment is not set"),
    ("enable_plymouth == true || distro == fedora && enable_zfs == true", "enable_zfs is not set"),
    ("window_manager == i3 || distro == arch", "window_manager is sway, distro is fedora"),
    ("colour == red", "colour is nothing that conditions know"),
    ("enable_plymouth != false", "'enable_plymouth != false' is no comparison"),
    ("enable_plymouth", "'enable_plymouth' is no comparison"),
    ("(enable_plymouth == true)", "(enable_plymouth is nothing that conditions know"),
    ("enable_plymouth == true&&distro == fedora", "'enable_plymouth == true&&distro == fedora' is no comparison"),
    ("", "'' is no comparison"),
    ("enable_plymouth == " + "t" * MAX_LENGTH, "'" + ("enable_plymouth == " + "t" * 60)[:57] + "...' is no comparison"),
]


@pytest.mark.parametrize("text", HOLDING)
def test_a_condition_holds(text: str) -> None:
    """What equals its fact is true, with and without quotes."""
    assert why_dropped(parse(text), FACTS) is None


@pytest.mark.parametrize(("text", "why"), FAILING)
def test_a_condition_that_fails_says_why(text: str, why: str) -> None:
    """The first part that does not hold is named with the fact that it meets; malformed is false."""
    assert why_dropped(parse(text), FACTS) == why


@pytest.mark.parametrize("text", [*HOLDING[:-2], "enable_zfs == true", 'window_manager == "anything"'])
def test_a_possible_condition_raises_no_doubt(text: str) -> None:
    """A condition that another recipe could meet is no reason for a warning."""
    assert list(doubts(parse(text))) == []


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("colour == red", "'colour' is never equal to anything; expected one of image-type, distro"),
        ("image-type == fedora-bootcc", "image-type is never 'fedora-bootcc'; expected one of fedora-bootc"),
        ("enable_plymouth == yes", "enable_plymouth is never 'yes'; expected one of true, false"),
        ("distro == arch", "distro is never 'arch'"),
        ("enable_plymouth != true", "is never true; expected a comparison"),
        (
            "window_manager == a && window_manager == b",
            "window_manager would have to be 'a' and something else at once",
        ),
        ("window_manager == a && window_manager == b || window_manager == c", "window_manager would have to be 'a'"),
    ],
)
def test_an_impossible_condition_is_doubted(text: str, part: str) -> None:
    """Unknown left sides, values that there are not, and contradictions are found."""
    assert any(part in doubt for doubt in doubts(parse(text)))


_TERMS = st.builds("{} == {}".format, st.sampled_from(LEFT_SIDES), st.sampled_from(["true", "false", "a", "'b'"]))
_CLAUSES = st.lists(_TERMS, min_size=1, max_size=3).map(" || ".join)


@given(
    st.lists(_CLAUSES, min_size=1, max_size=3).map(" && ".join),
    st.dictionaries(st.sampled_from(LEFT_SIDES), st.sampled_from(["true", "false", "a", "b"])),
)
def test_a_contradiction_holds_for_no_facts(text: str, facts: dict[str, str]) -> None:
    """A condition that is said never to be true is true for no facts; one that holds has a reason in the facts."""
    condition = parse(text)
    if any("never true" in doubt for doubt in doubts(condition)):
        assert why_dropped(condition, facts) is not None
    clauses = [[term.split(" == ") for term in clause.split(" || ")] for clause in text.split(" && ")]
    holds = all(any(facts.get(left) == right.strip("'") for left, right in clause) for clause in clauses)
    assert (why_dropped(condition, facts) is None) == holds


@given(st.text(max_size=80))
def test_any_text_is_a_condition(text: str) -> None:
    """Nothing that is written there raises."""
    assert isinstance(list(doubts(parse(text))), list)
    why_dropped(parse(text), FACTS)
