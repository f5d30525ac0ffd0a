from pathlib import Path
from typing import Annotated, Literal

import msgspec
import pytest

from libs.common.errors import SettingsError
from libs.common.settings import (
    CoreSettings,
    DatabaseSettings,
    ListenSettings,
    RuntimeSettings,
    Secret,
    Settings,
    describe,
    given,
    load,
    markdown,
    read_sources,
    secrets_of,
    setting,
)


class Example(Settings, frozen=True):
    """One field of every type that a setting can have."""

    text: Annotated[str, setting("TEXT", "a text")] = "none"
    count: Annotated[int, setting("COUNT", "how many", ge=0, le=9)] = 3
    wait_s: Annotated[float | None, setting("WAIT_S", "seconds; empty waits for ever", ge=0)] = None
    on: Annotated[bool, setting("ON", "whether")] = False
    mode: Annotated[Literal["fast", "slow"], setting("MODE", "how", aliases=("SPEED",))] = "fast"
    folder: Annotated[Path, setting("FOLDER", "where")] = Path("here")
    names: Annotated[tuple[str, ...], setting("NAMES", "who")] = ()
    key: Annotated[Secret, setting("KEY", "what opens the door")] = Secret("")
    keys: Annotated[tuple[Secret, ...], setting("KEYS", "more of them")] = ()


class Needed(Settings, frozen=True):
    must: Annotated[str, setting("MUST", "the thing nobody can guess")]


def example(environ: dict[str, str], dotenv: Path | None = None) -> Example:
    return load(Example, environ=environ, dotenv=dotenv, known=[CoreSettings])[Example]


def problems(environ: dict[str, str], dotenv: Path | None = None, group: type[Settings] = Example) -> list[str]:
    with pytest.raises(SettingsError) as caught:
        load(group, environ=environ, dotenv=dotenv, known=[CoreSettings])
    return caught.value.problems


def test_defaults_hold_when_nothing_is_given() -> None:
    """Without any source every field has its default."""
    assert example({}) == Example()


def test_every_type_is_read_from_text() -> None:
    """A text of the environment becomes the value of its field's type."""
    environ = {
        "TEXT": " padded ",
        "COUNT": "7",
        "WAIT_S": "0.5",
        "ON": "YES",
        "MODE": "Slow",
        "FOLDER": "/srv/x",
        "NAMES": "ann, bob,,",
        "KEY": "k",
        "KEYS": "a,b",
    }
    assert example(environ) == Example(
        "padded", 7, 0.5, True, "slow", Path("/srv/x"), ("ann", "bob"), Secret("k"), (Secret("a"), Secret("b"))
    )


def test_the_environment_wins_over_dotenv_over_yaml_over_defaults(tmp_path: Path) -> None:
    """Each source overrides the ones below it, setting by setting."""
    config = tmp_path / "slipway.yaml"
    config.write_text("text: yaml\ncount: 1\nnames: [ann, bob]\nmode: null\n")
    dotenv = tmp_path / ".env"
    dotenv.write_text(f"SLIPWAY_CONFIG={config}\nTEXT=dotenv\nCOUNT=2\n")
    assert example({"TEXT": "environment"}, dotenv) == Example(text="environment", count=2, names=("ann", "bob"))


def test_an_empty_variable_is_not_set(tmp_path: Path) -> None:
    """Compose passes on unset variables as empty ones; they change nothing."""
    dotenv = tmp_path / ".env"
    dotenv.write_text("COUNT=4\nTEXT=\n")
    assert example({"COUNT": "", "KEY": " "}, dotenv) == Example(count=4)


@pytest.mark.parametrize(
    ("line", "value"),
    [
        ("TEXT=plain", "plain"),
        ("  export TEXT = spaced out  # said why", "spaced out"),
        ("TEXT=a#b", "a#b"),
        ("TEXT='as $is\\n' # quoted", "as $is\\n"),
        (r'TEXT="two\nlines \"here\""', 'two\nlines "here"'),
        ("# TEXT=commented", "none"),
        ("TEXT=first\nTEXT=last", "last"),
    ],
)
def test_dotenv_is_read_as_compose_reads_it(tmp_path: Path, line: str, value: str) -> None:
    """Comments, `export` and both kinds of quotes mean what they mean elsewhere."""
    dotenv = tmp_path / ".env"
    dotenv.write_text(line + "\n")
    assert example({}, dotenv).text == value


@pytest.mark.parametrize(
    ("environ", "problem"),
    [
        ({"COUNT": "12"}, "COUNT = '12' (environment): must be a whole number from 0 to 9"),
        ({"COUNT": "1.5"}, "COUNT = '1.5' (environment): must be a whole number from 0 to 9"),
        ({"WAIT_S": "nan"}, "WAIT_S = 'nan' (environment): must be a number, at least 0"),
        ({"WAIT_S": "inf"}, "WAIT_S = 'inf' (environment): must be a number, at least 0"),
        ({"ON": "maybe"}, "ON = 'maybe' (environment): must be true or false"),
        ({"SPEED": "warp"}, "SPEED = 'warp' (environment): must be one of fast, slow"),
        (
            {"SPEED": "fast", "MODE": "slow"},
            "MODE and SPEED (environment): say different things for one setting; keep one",
        ),
        ({"KEY_FILE": "/no/such"}, "KEY_FILE (environment): cannot read /no/such: No such file or directory"),
        (
            {"SLIPWAY_CONFIG": "/no/such"},
            "SLIPWAY_CONFIG (environment): cannot read /no/such: No such file or directory",
        ),
    ],
)
def test_a_wrong_value_is_one_line_that_names_source_and_remedy(environ: dict[str, str], problem: str) -> None:
    """An error line names the setting, where its value comes from and what is allowed."""
    assert problems(environ) == [problem]


def test_all_problems_are_told_at_once(tmp_path: Path) -> None:
    """Nobody has to start five times to find five mistakes."""
    dotenv = tmp_path / ".env"
    dotenv.write_text('ON=2\n\nthis is no setting\nTEXT="open\n')
    assert problems({"COUNT": "x"}, dotenv) == [
        f"{dotenv} line 3: must be NAME=value, with quotes closed on the same line",
        f"{dotenv} line 4: must be NAME=value, with quotes closed on the same line",
        "COUNT = 'x' (environment): must be a whole number from 0 to 9",
        f"ON = '2' ({dotenv} line 1): must be true or false",
    ]


def test_a_setting_without_default_must_be_given() -> None:
    """What has no default and no value stops the start and says what it is."""
    assert problems({}, group=Needed) == ["MUST: must be set (the thing nobody can guess)"]


def test_an_unknown_name_is_an_error_in_yaml_only(tmp_path: Path) -> None:
    """A typing error in our file is found; the environment is full of names that are not ours."""
    config = tmp_path / "slipway.yaml"
    config.write_text("log_level: debug\ncuont: 4\n")
    assert problems({"SLIPWAY_CONFIG": str(config), "CUONT": "4"}) == [
        f"CUONT ({config} line 2): is not a setting; did you mean COUNT?"
    ]


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ("- a\n", "must be a mapping of setting names to values"),
        ("text: {a: b}\n", "line 1: must be a setting's name with a value or a list of values"),
        ("text: a\nTEXT: b\n", "is already set by"),
        ("text: [\n", "not valid YAML"),
    ],
)
def test_a_broken_yaml_file_is_told_with_its_place(tmp_path: Path, content: str, problem: str) -> None:
    """A file that cannot be understood is an error line, never a traceback."""
    config = tmp_path / "slipway.yaml"
    config.write_text(content)
    (line,) = problems({"SLIPWAY_CONFIG": str(config)})
    assert str(config) in line
    assert problem in line


def test_yaml_scalars_are_taken_as_written(tmp_path: Path) -> None:
    """`0123` is not octal and `on` is not a boolean: a value means the same as in the environment."""
    config = tmp_path / "slipway.yaml"
    config.write_text("key: 0123\ntext: on\nON: on\n")
    assert example({"SLIPWAY_CONFIG": str(config)}) == Example(key=Secret("0123"), text="on", on=True)


def test_a_secret_may_come_from_a_file(tmp_path: Path) -> None:
    """`<NAME>_FILE` names a file; the line end that editors add does not belong to the secret."""
    file = tmp_path / "key"
    file.write_text("from file \n")
    assert example({"KEY_FILE": str(file)}).key == Secret("from file")


def test_a_secret_file_must_hold_something_of_a_secret_size(tmp_path: Path) -> None:
    """An empty file and a file of megabytes are wrong paths, not secrets."""
    for content in ("\n", "x" * 70_000):
        file = tmp_path / "key"
        file.write_text(content)
        assert problems({"KEY_FILE": str(file)}) == [f"KEY_FILE (environment): {file} must hold 1 byte to 64 KB"]


def test_secrets_never_show_themselves() -> None:
    """Neither printing nor encoding a group, nor an error line about it, gives a secret away."""
    settings = example({"KEY": "hunter2", "KEYS": "swordfish"})
    shown = f"{settings!r} {settings.key} {settings.key!s} {settings.keys}"
    assert "hunter2" not in shown
    assert "swordfish" not in shown
    with pytest.raises(TypeError):
        msgspec.json.encode(settings)
    assert sorted(secrets_of(settings)) == ["hunter2", "swordfish"]
    with pytest.raises(SettingsError) as caught:
        load(DatabaseSettings, environ={"DATABASE_URL": "mysql://u:hunter2@h/d"}, dotenv=None)
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize(
    ("documented", "used"),
    [
        ("postgresql://u:p@h/d", "postgresql+asyncpg://u:p@h/d"),
        ("postgres://h/d?ssl=require", "postgresql+asyncpg://h/d?ssl=require"),
        ("sqlite:///x.db", "sqlite+aiosqlite:///x.db"),
        ("sqlite+aiosqlite:////x.db", "sqlite+aiosqlite:////x.db"),
    ],
)
def test_documented_database_addresses_get_the_asynchronous_driver(documented: str, used: str) -> None:
    """People write the addresses that every other tool takes."""
    assert load(DatabaseSettings, environ={"DATABASE_URL": documented}, dotenv=None)[DatabaseSettings].url == Secret(
        used
    )


def test_lengths_of_time_that_contradict_each_other_are_refused() -> None:
    """A worker must give up before its lease ends, and renew before it gives up."""
    lines = problems({"SLIPWAY_LEASE_S": "5", "SLIPWAY_RENEW_EVERY_S": "5"}, group=RuntimeSettings)
    assert lines == [
        "SLIPWAY_GIVE_UP_AFTER_S (default): must be less than SLIPWAY_LEASE_S (5)",
        "SLIPWAY_CHILD_SILENCE_S (default): must lie between SLIPWAY_RENEW_EVERY_S and SLIPWAY_LEASE_S",
    ]


def test_port_is_another_name_of_api_port() -> None:
    """`PORT=9000 make run` works."""
    assert load(ListenSettings, environ={"PORT": "9000"}, dotenv=None)[ListenSettings].port == 9000


def test_groups_can_be_unpacked_in_the_order_asked_for() -> None:
    """A process with few groups unpacks them."""
    core, listen = load(CoreSettings, ListenSettings, environ={"DEBUG": "1"}, dotenv=None)
    assert (core.effective_log_level, listen.host) == ("debug", "127.0.0.1")


def test_given_tells_choice_from_default(tmp_path: Path) -> None:
    """Standalone mode makes a secret only when nobody has set it in any source."""
    sources = read_sources({"KEY_FILE": "x"}, dotenv=None)
    assert given("KEY", sources)
    assert not given("TEXT", sources)


def test_describe_lists_every_setting_once_with_its_default() -> None:
    """The documentation's rows come from the fields themselves."""
    rows = {row.name: row for row in describe(Example, Needed)}
    assert len(rows) == 10
    assert rows["MODE"].type == "fast, slow"
    assert rows["MODE"].aliases == ("SPEED",)
    assert (rows["COUNT"].default, rows["ON"].default, rows["WAIT_S"].default) == ("3", "false", "")
    assert rows["KEY"].secret
    assert rows["KEYS"].secret
    assert "| `MODE`, `SPEED` | `fast` | how (fast, slow) |" in markdown(Example)
    assert "`KEY_FILE`" in markdown(Example)


def test_a_field_without_description_is_a_mistake_of_ours() -> None:
    """A setting that nobody can look up does not load."""

    class Silent(Settings, frozen=True):
        x: int = 1

    with pytest.raises(TypeError, match=r"Silent\.x"):
        load(Silent, environ={}, dotenv=None)
