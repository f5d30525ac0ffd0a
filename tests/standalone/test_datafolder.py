import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from tests.servers import ROOT
from workers.standalone.datafolder import CannotStart, DataFolder, make_api_key, make_password, make_secret_key


def test_a_new_folder_is_for_its_owner_only(tmp_path: Path) -> None:
    """Folders on the way are made; nobody else can look in."""
    folder = DataFolder(tmp_path / "a" / "b")
    assert stat.S_IMODE(folder.path.stat().st_mode) == 0o700
    os.close(folder.lock)


def test_a_second_instance_is_told_who_has_the_folder(tmp_path: Path) -> None:
    """The refusal comes at once and names the process and the remedy."""
    first = DataFolder(tmp_path)
    with pytest.raises(CannotStart, match=rf"in use by another Slipway \(process {os.getpid()}\); .*SLIPWAY_DATA"):
        DataFolder(tmp_path)
    os.close(first.lock)


def test_a_folder_is_free_when_its_last_process_is_gone(tmp_path: Path) -> None:
    """A killed parent's children keep the folder until they have ended; then a new start gets it by itself."""
    code = (
        "import os, subprocess, sys\n"
        "from pathlib import Path\n"
        "from workers.standalone.datafolder import DataFolder\n"
        "folder = DataFolder(Path(sys.argv[1]))\n"
        "child = 'import time; time.sleep(1)'\n"
        "subprocess.Popen([sys.executable, '-c', child], pass_fds=[folder.lock])\n"
        "os.kill(os.getpid(), 9)\n"
    )
    subprocess.run([sys.executable, "-c", code, str(tmp_path)], cwd=ROOT, check=False)
    os.close(DataFolder(tmp_path).lock)


def test_a_folder_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    """One line with the setting's name and the reason."""
    (tmp_path / "file").write_text("")
    with pytest.raises(CannotStart, match=r"SLIPWAY_DATA: cannot write to .*/file/data: Not a directory"):
        DataFolder(tmp_path / "file" / "data")


def test_a_secret_is_made_once_and_kept_for_its_owner(tmp_path: Path) -> None:
    """The second start reads what the first one made; the file is 0600 from its first moment."""
    folder = DataFolder(tmp_path)
    first, made = folder.secret("key", make_secret_key)
    assert made
    assert folder.secret("key", make_secret_key) == (first, False)
    file = tmp_path / "secrets" / "key"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700
    os.close(folder.lock)


def test_a_secret_that_cannot_be_kept_stops_the_start(tmp_path: Path) -> None:
    """A key that would be lost with the process is worse than no start."""
    folder = DataFolder(tmp_path)
    (tmp_path / "secrets").write_text("")
    with pytest.raises(CannotStart, match="cannot keep the secret"):
        folder.secret("key", make_secret_key)
    os.close(folder.lock)


def test_secrets_are_long_enough_for_their_use() -> None:
    """The signing key has 32 bytes or more, the API key the documented shape, the password 8 to 128 characters."""
    assert len(make_secret_key()) >= 32
    prefix, identifier, secret = make_api_key().split("_")
    assert (prefix, len(identifier), len(secret)) == ("slp", 8, 32)
    assert 16 <= len(make_password()) <= 128
