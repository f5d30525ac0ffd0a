"""The documentation's tables of settings, and names in the YAML file that are nobody's settings."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from libs.common.errors import SettingsError
from libs.common.settings import CoreSettings, Settings, describe, load
from libs.common.settings.catalogue import every_group, filled
from services.gateway.settings import GatewaySettings
from tests.servers import ROOT

TABLES = ("README.md", "docs/configuration.md")
_EXAMPLE = re.compile(r"```yaml\n(.*?)```", re.DOTALL)


@pytest.mark.parametrize("name", TABLES)
def test_tables_of_settings_agree_with_the_code(name: str) -> None:
    """What the documentation says of a setting is what the loader does."""
    text = (ROOT / name).read_text()
    assert filled(text) == text, f"run: python -m libs.common.settings {' '.join(TABLES)}"


def test_every_setting_is_documented() -> None:
    """A setting without documentation cannot be found."""
    text = (ROOT / "docs/configuration.md").read_text()
    names = [row.name for row in describe(*every_group())]
    assert [name for name in names if f"| `{name}`" not in text] == []


def test_no_group_is_missed() -> None:
    """Every group of the product that is loaded is found by the tree's rule, and no setting is described twice."""
    ours = {group for group in Settings.__subclasses__() if group.__module__.startswith(("libs.", "services."))}
    found = every_group()
    assert ours == set(found)
    names = [row.name for row in describe(*found)]
    assert len(names) == len(set(names))


def test_the_example_of_a_file_loads(tmp_path: Path) -> None:
    """The documented YAML file is read, other processes' settings in it included."""
    example = _EXAMPLE.search((ROOT / "docs/configuration.md").read_text())
    assert example is not None
    file = tmp_path / "slipway.yaml"
    file.write_text(example[1])
    environ = {"SLIPWAY_CONFIG": str(file)}
    core, gateway = load(CoreSettings, GatewaySettings, environ=environ, dotenv=None, known=every_group())
    assert core.log_level == "debug"
    assert [key.scopes for key in gateway.static_keys(core)] == [frozenset({"builds:read", "jobs:read"})]
    assert load(CoreSettings, environ=environ, dotenv=None, known=every_group())[CoreSettings] == core


def test_a_name_that_nobody_reads_is_refused(tmp_path: Path) -> None:
    """A typing error is told apart from a setting of another process."""
    file = tmp_path / "slipway.yaml"
    file.write_text("gitea_webhook_secrt: x\nlocal_provider: true\n")
    with pytest.raises(SettingsError) as caught:
        load(CoreSettings, environ={"SLIPWAY_CONFIG": str(file)}, dotenv=None, known=every_group())
    assert caught.value.problems == [
        f"GITEA_WEBHOOK_SECRT ({file} line 1): is not a setting; did you mean GITEA_WEBHOOK_SECRET?"
    ]


@pytest.mark.parametrize("program", ["services.gateway", "workers.builds", "workers.vms", "workers.standalone"])
def test_every_program_refuses_unknown_names(program: str, tmp_path: Path) -> None:
    """Whichever program reads the file, it says the same, and that starting again does not help."""
    file = tmp_path / "slipway.yaml"
    file.write_text("log_lvel: debug\n")
    done = subprocess.run(
        [sys.executable, "-m", program],
        cwd=ROOT,
        env={"PATH": os.environ["PATH"], "SLIPWAY_CONFIG": str(file), "SLIPWAY_DATA": str(tmp_path / "data")},
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 78, done.stderr
    assert done.stderr == f"LOG_LVEL ({file} line 1): is not a setting; did you mean LOG_LEVEL?\n"
