"""Where one run works: a folder that is removed afterwards, and, under root, a user id of its own."""

import fcntl
import os
import stat
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from libs.common.supervisor import Supervisor, User
from services.builds.runner.report import Ended

SLOTS = 64  # user ids for builds that run at the same time on one machine; a worker runs two
STALE_S = 60.0  # a folder without a lock may be one that its runner is about to lock
REMOVE_TIMEOUT_S = 120.0  # a large tree on a slow disk; what is left after it goes with a later run's sweep


@dataclass(frozen=True, slots=True)
class Workplace:
    """The folders of one run, all owned by the user it runs as."""

    folder: Path
    user: User | None

    @property
    def source(self) -> Path:
        """The checkout, where steps start."""
        return self.folder / "source"

    @property
    def home(self) -> Path:
        return self.folder / "home"

    @property
    def tmp(self) -> Path:
        """TMPDIR of the steps, so that what they leave there goes with the rest."""
        return self.folder / "tmp"

    @property
    def scripts(self) -> Path:
        """What the runner writes and the run's user only reads."""
        return self.folder / "scripts"

    def write(self, name: str, text: str, *, private: bool = False) -> Path:
        """Write a file that the run's user may read; `private`: nobody else."""
        path = self.scripts / name
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600 if private else 0o644)
        with os.fdopen(descriptor, "w", encoding="utf-8", errors="replace", newline="") as file:
            file.write(text)
        if private and self.user is not None:
            os.chown(path, self.user.uid, self.user.gid)
        return path


@contextmanager
def workplace(supervisor: Supervisor, parent: Path, uid_base: int) -> Iterator[Workplace]:
    """Make a work folder below `parent` and give the supervisor its user; remove and free them at the end.

    Folders that a killed runner left are removed first. Raises Ended (RUNNER_ERROR) when the place cannot be had.
    """
    _prepare(parent)
    _sweep(parent)
    with _user(parent, uid_base) as user:
        supervisor.user = user
        supervisor.kill_all()  # whatever a killed runner's build of this user id left
        folder = Path(tempfile.mkdtemp(prefix="run-", dir=parent))
        lock = _try_lock(folder)
        place = Workplace(folder, user)
        try:
            for path in (place.source, place.home, place.tmp, place.scripts):
                path.mkdir()
            if user is not None:
                _check_reachable(folder)
                for path in (place.source, place.home, place.tmp, folder):
                    os.chown(path, user.uid, user.gid)
            yield place
        finally:
            supervisor.kill_all()
            _remove(folder)
            if lock is not None:
                os.close(lock)


def _prepare(parent: Path) -> None:
    """Make the folder of all runs; refuse one that somebody else could reach into (its default lies in /var/tmp)."""
    parent.mkdir(mode=0o711, parents=True, exist_ok=True)
    facts = parent.lstat()
    if not stat.S_ISDIR(facts.st_mode) or facts.st_uid != os.getuid() or facts.st_mode & 0o022:
        raise Ended("failure", "RUNNER_ERROR", f"the work folder {parent} is not ours alone to write")


def _check_reachable(folder: Path) -> None:
    """Say at once, and clearly, that the build's user cannot get to its folder."""
    closed = [above for above in folder.parents if not above.stat().st_mode & stat.S_IXOTH]
    if closed:
        raise Ended("failure", "RUNNER_ERROR", f"builds run as another user, who cannot enter {closed[0]}")


@contextmanager
def _user(parent: Path, uid_base: int) -> Iterator[User | None]:
    """Take a user id that no other build on this machine uses; None where we may not change users.

    The lock goes with the runner, however that ends.
    """
    if os.getuid() != 0 or uid_base == 0:
        yield None
        return
    folder = _slots_folder(parent)
    for slot in range(SLOTS):
        descriptor = os.open(folder / f"uid-{uid_base + slot}.lock", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            continue
        try:
            yield User(uid_base + slot, uid_base + slot)
            return
        finally:
            os.close(descriptor)
    raise Ended("failure", "RUNNER_ERROR", f"{SLOTS} builds run on this machine already", retryable=True)


def _slots_folder(parent: Path) -> Path:
    """Return where the locks of user ids lie: one place per machine, since the ids are the machine's.

    In a container without a writable /run it is the work folder: its ids are its own then.
    """
    for run in (Path("/run"), Path("/var/run")):
        if run.is_dir() and os.access(run, os.W_OK):
            folder = run / "slipway-builds"
            folder.mkdir(mode=0o700, exist_ok=True)
            return folder
    return parent


def _sweep(parent: Path) -> None:
    """Remove the folders of runners that were killed: old ones whose lock is free."""
    for folder in parent.glob("run-*"):
        try:
            stale = time.time() - folder.stat().st_mtime > STALE_S
            lock = _try_lock(folder) if stale else None
        except OSError:  # removed by its own runner meanwhile
            continue
        if lock is not None:
            _remove(folder)
            os.close(lock)


def _try_lock(folder: Path) -> int | None:
    """Lock a folder for as long as the returned descriptor is open; None when somebody else holds it."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        return None
    return descriptor


def _remove(folder: Path) -> None:
    """Remove a tree that a build has made: deeper than shutil.rmtree can recurse, with folders closed to ourselves."""
    for argv in (["rm", "-rf", "--"], ["chmod", "-R", "u+rwx", "--"], ["rm", "-rf", "--"]):
        try:
            subprocess.run([*argv, folder], check=False, capture_output=True, timeout=REMOVE_TIMEOUT_S)
        except (OSError, subprocess.TimeoutExpired):
            return
        if not folder.exists():
            return
