import importlib
import re

from libs.common.settings import Settings, describe
from libs.common.settings.sources import from_dotenv
from tests.servers import ROOT


def test_the_example_names_settings_that_exist() -> None:
    """Whoever copies .env.example copies no setting that nobody reads, and it parses with every line switched on."""
    for file in ROOT.glob("services/*/settings.py"):
        importlib.import_module(f"services.{file.parent.name}.settings")
    ours = [group for group in Settings.__subclasses__() if group.__module__.startswith(("libs.", "services."))]
    names = {row.name for row in describe(*ours)}
    lines = re.findall(r"^#([A-Z_]+=.*)$", (ROOT / ".env.example").read_text(), flags=re.MULTILINE)
    source = from_dotenv("\n".join(line if line[-1] != "=" else line + "x" for line in lines))
    assert source.problems == []
    assert len(source.values) == len(lines) > 10
    assert source.values.keys() <= names
