"""The script of the sddm-themes module, run by bash on real bundles."""

import io
import subprocess
import tarfile
import zipfile
from pathlib import Path

from tests.builds.recipes.builder import BASH, runs
from tests.builds.recipes.samples import made


def unpack(folder: Path) -> Path:
    """Run what the module becomes below this folder; the folder of the themes."""
    source, themes, config = folder / "source", folder / "themes", folder / "conf.d/theme.conf"
    module = {"type": "sddm-themes", "source": str(source), "destination": str(themes), "config": str(config)}
    (body,) = runs(made(module))
    done = subprocess.run([BASH, "-c", body], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return themes


def bundle(folder: Path, kind: str, files: dict[str, str]) -> None:
    """Write a zip or a tar with these files."""
    folder.mkdir(exist_ok=True)
    if kind == "zip":
        with zipfile.ZipFile(folder / "b.zip", "w") as archive:
            for name, text in files.items():
                archive.writestr(name, text)
        return
    with tarfile.open(folder / f"a.tar.{kind}", f"w:{kind}") as archive:  # type: ignore[call-overload]  # a str
        for name, text in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(text)
            archive.addfile(entry, io.BytesIO(text.encode()))


def test_themes_are_unpacked_and_the_first_one_is_current(tmp_path: Path) -> None:
    """Zip and tar, into a folder that has themes already; a folder without metadata is no theme."""
    (tmp_path / "themes/aa-own").mkdir(parents=True)
    (tmp_path / "themes/aa-own/metadata.desktop").write_text("own")
    bundle(tmp_path / "source", "zip", {"zebra/metadata.desktop": "z", "zebra/Main.qml": "z"})
    bundle(tmp_path / "source", "gz", {"fonts/x.ttf": "f", "mountain view/metadata.desktop": "m"})
    themes = unpack(tmp_path)
    assert sorted(path.name for path in themes.iterdir()) == ["aa-own", "fonts", "mountain view", "zebra"]
    assert (themes / "zebra/Main.qml").read_text() == "z"
    assert (tmp_path / "conf.d/theme.conf").read_text() == "[Theme]\nCurrent=mountain view\n"


def test_missing_and_empty_sources_are_no_errors(tmp_path: Path) -> None:
    """Without bundles nothing is configured."""
    unpack(tmp_path)
    (tmp_path / "source").mkdir()
    unpack(tmp_path)
    assert not (tmp_path / "conf.d").exists()
