"""The folder that holds everything of a standalone installation: who may use it, and the secrets in it."""

import fcntl
import os
import secrets
import time
from collections.abc import Callable
from pathlib import Path

# Children of a killed parent hold the lock until their lifelines have ended them: Redis lingers 3 s, then has 3 s.
_PREDECESSOR_ENDS_S = 8.0


class CannotStart(Exception):
    """Standalone mode cannot start here; the message is one line that says why and what to do."""


class DataFolder:
    """An opened, exclusively locked data folder. `lock` is a file descriptor that children inherit.

    The lock (flock) belongs to whoever holds the descriptor: as long as one child of an earlier start is alive, no
    second Redis can be started on the same files.
    """

    def __init__(self, path: Path) -> None:
        """Make the folder if need be and lock it.

        Raises CannotStart when the folder cannot be written or another instance uses it.
        """
        self.path = path.absolute()
        try:
            self.path.mkdir(parents=True, exist_ok=True, mode=0o700)
            self.lock = os.open(self.path / "lock", os.O_RDWR | os.O_CREAT, 0o600)
        except OSError as error:
            raise CannotStart(f"SLIPWAY_DATA: cannot write to {self.path}: {error.strerror}") from None
        self._take_lock()

    def _take_lock(self) -> None:
        deadline = time.monotonic() + _PREDECESSOR_ENDS_S
        while True:
            try:
                fcntl.flock(self.lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                owner = os.pread(self.lock, 20, 0).decode(errors="replace").strip()
                if time.monotonic() > deadline or _alive(owner):
                    os.close(self.lock)
                    raise CannotStart(
                        f"SLIPWAY_DATA: {self.path} is in use by another Slipway (process {owner or 'unknown'});"
                        " stop it, or set SLIPWAY_DATA to another folder"
                    ) from None
                time.sleep(0.05)
            else:
                break
        os.ftruncate(self.lock, 0)
        os.pwrite(self.lock, str(os.getpid()).encode(), 0)

    def secret(self, name: str, make: Callable[[], str]) -> tuple[str, bool]:
        """Return the secret kept as `secrets/<name>` (mode 0600) and whether it was made just now.

        Raises CannotStart when the file can be neither read nor written.
        """
        file = self.path / "secrets" / name
        try:
            if file.exists():
                return file.read_text(encoding="ascii").strip(), False
            file.parent.mkdir(mode=0o700, exist_ok=True)
            value = make()
            draft = file.with_suffix(".new")
            draft.unlink(missing_ok=True)
            with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="ascii") as out:
                out.write(value + "\n")
                out.flush()
                os.fsync(out.fileno())
            draft.rename(file)  # a secret is there whole or not at all: a half-written key would open nothing
        except (OSError, UnicodeDecodeError) as error:
            reason = error.strerror if isinstance(error, OSError) else "not ASCII text"
            raise CannotStart(f"SLIPWAY_DATA: cannot keep the secret {file}: {reason}") from None
        return value, True


def make_secret_key() -> str:
    return secrets.token_hex(32)


def make_password() -> str:
    return secrets.token_urlsafe(15)


def make_webhook_secret() -> str:
    return secrets.token_hex(32)


def make_api_key() -> str:
    """Make a static key in the shape of all keys: slp_<id8>_<secret32>."""
    return f"slp_{secrets.token_hex(4)}_{secrets.token_hex(16)}"


def _alive(pid: str) -> bool:
    if not pid.isdigit():
        return False
    try:
        os.kill(int(pid), 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return True
