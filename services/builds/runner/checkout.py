"""Brings one commit of a repository into the work folder, with git, and reads files at that commit.

The server, the repository and the names of its branches are not trusted: protocols by a list, addresses behind `--`,
refs by their full name, no hooks, no submodules, no configuration but ours, and git runs as the build's user within
its limits. Credentials reach git through its environment or a file, never through argv or the log.
"""

import base64
import re
from dataclasses import dataclass
from urllib.parse import unquote, urlsplit, urlunsplit

from libs.common.supervisor import Command, Exit, Supervisor
from services.builds.runner.report import Ended, Report
from services.builds.runner.spec import Credentials, RunSpec
from services.builds.runner.workplace import Workplace

ALWAYS = ("https", "ssh")
INSECURE = ("http", "git", "file")  # nothing proves who answers, or it reads this machine's own files
BRANCH_DEPTH = 50  # commits of a branch to get where a server gives no commit by its id: a push is rarely older
CAPTURE_BYTES = 1_100_000  # a pipeline file (at most 1,000,000) or an error text

_CONFIG = """\
[core]
    hooksPath = /dev/null
[credential]
    helper =
[fetch]
    recurseSubmodules = false
[gc]
    auto = 0
[http]
    # under 1 KB/s for 30 s: the line is dead
    lowSpeedLimit = 1000
    lowSpeedTime = 30
[safe]
    # file:// addresses are repositories of other users
    directory = *
"""
_COMMIT = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
_SCP_LIKE = re.compile(r"(?P<host>[^/:@\s-][^/:\s]*@?[^/:\s]*):(?!//|:)(?P<path>.+)")
_NO_REF = re.compile(r"[\x00-\x20\x7f~^:?*\[\\]|\.\.|@\{")  # git-check-ref-format(1)

# What git and its transports print (LC_ALL=C). The order decides.
_REFUSED = re.compile(r"not our ref|unadvertised object|couldn't find remote ref", re.IGNORECASE)
_DENIED = re.compile(
    r"Authentication failed|could not read Username|could not read Password|terminal prompts disabled|"
    r"Permission denied|access denied|error: 40[13]|Host key verification failed|No user exists for uid",
    re.IGNORECASE,
)
_NOT_THERE = re.compile(
    r"repository .*not found|does not exist|does not appear to be a git repository|not exported|error: 404",
    re.IGNORECASE,
)
_PASSING = re.compile(
    r"Could not resolve|Name or service not known|Temporary failure in name resolution|Connection refused|timed out|"
    r"Connection reset|unable to connect|Failed to connect|No route to host|Network is unreachable|early EOF|"
    r"hung up unexpectedly|Operation too slow|unexpected disconnect|error: 5\d\d|error: 429|Empty reply|SSL_ERROR",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Remote:
    """A clone address that was looked at: without credentials, fit for argv and the log."""

    url: str
    scheme: str
    credentials: Credentials


def remote(url: str, credentials: Credentials, *, allow_insecure: bool) -> Remote:
    """Check a clone address and take credentials out of it; those given apart go first.

    Raises Ended (CLONE_FORBIDDEN).
    """
    if not url or url.startswith("-") or not url.isprintable() or " " in url:
        raise Ended("failure", "CLONE_FORBIDDEN", "the clone address is not one")
    scheme = urlsplit(url).scheme if "://" in url else "ssh" if _SCP_LIKE.fullmatch(url) else ""
    allowed = ALWAYS + INSECURE if allow_insecure else ALWAYS
    if scheme not in allowed:
        hint = " (ALLOW_INSECURE_CLONE=true allows it)" if scheme in INSECURE else ""
        raise Ended(
            "failure",
            "CLONE_FORBIDDEN",
            f"clone addresses may be {', '.join(allowed)}, not {scheme or 'a path'}{hint}",
        )
    if scheme in ("https", "http"):
        parts = urlsplit(url)
        user, _, host = parts.netloc.rpartition("@")
        if user:
            url = urlunsplit(parts._replace(netloc=host))
            name, _, password = user.partition(":")
            if not credentials.password:
                credentials = Credentials(unquote(name), unquote(password))
    return Remote(url, scheme, credentials)


class Checkout:
    """One commit of one repository in `place.source`."""

    def __init__(self, supervisor: Supervisor, report: Report, place: Workplace, spec: RunSpec) -> None:
        self._supervisor = supervisor
        self._report = report
        self._place = place
        self._spec = spec
        self._remote = remote(spec.clone_url, spec.credentials, allow_insecure=spec.allow_insecure_clone)
        self._env = self._environment()
        self.commit = spec.commit or ""
        """The commit's id; empty until `make` has found out what a ref points to."""

    def make(self) -> None:
        """Fetch the commit and check it out, HEAD detached.

        Raises Ended: COMMIT_MISSING, CLONE_DENIED (credentials), CLONE_FAILED, CLONE_TIMEOUT.
        """
        commit = self.commit
        if self._spec.commit is not None and not _COMMIT.fullmatch(commit):
            raise Ended("failure", "COMMIT_MISSING", f"{commit[:80]!r} is not a full commit id")
        object_format = ["--object-format=sha256"] if len(commit) == 64 else []  # older git knows no such option
        self._must("init", "-q", "--template=", *object_format, ".")
        self._must("config", "remote.origin.url", self._remote.url)
        if commit:
            self._fetch_commit(commit)
        else:
            self.commit = commit = self._fetch_ref()
            self._report.commit(commit)
        self._must("checkout", "-q", "--detach", commit, "--")

    def read(self, path: str, max_bytes: int) -> bytes | None:
        """Return a file's content at the commit; None when there is no such file.

        From git's objects, not from the work tree: there the path could lead elsewhere by a symbolic link.
        Raises Ended (PIPELINE_INVALID) for anything but a regular file of at most `max_bytes`.
        """
        listed, entries, _ = self._git("ls-tree", "-z", "--long", self.commit, "--", path)
        entry = entries.partition(b"\0")[0]
        if listed.code != 0 or not entry:
            return None
        mode, _, blob, size = entry.partition(b"\t")[0].split()
        if mode not in (b"100644", b"100755"):
            raise Ended("failure", "PIPELINE_INVALID", f"{path}: expected a regular file")
        if int(size) > max_bytes:
            raise Ended("failure", "PIPELINE_INVALID", f"{path}:1:1: the file is larger than {max_bytes} bytes")
        return self._must("cat-file", "blob", blob.decode())

    # --- fetching, from the cheapest way to the surest ---

    def _fetch_commit(self, commit: str) -> None:
        if self._fetch("--depth=1", commit):
            return
        ref = self._ref()
        if ref is not None:
            self._report.info(f"the server does not give a commit by its id; fetching {ref}")
            if self._fetch(f"--depth={BRANCH_DEPTH}", ref) and self._has(commit):
                return
        self._report.info("fetching the whole history")
        deepen = ["--unshallow"] if (self._place.source / ".git" / "shallow").exists() else []
        fetched = self._fetch(*deepen, "+refs/heads/*:refs/remotes/origin/*", "+refs/tags/*:refs/tags/*")
        if not self._has(commit):
            if not fetched:
                raise Ended("failure", "CLONE_FAILED", "the repository could not be fetched")
            raise Ended("failure", "COMMIT_MISSING", f"the repository has no commit {commit}")

    def _fetch_ref(self) -> str:
        """Fetch the newest commit of the branch or tag and return its id."""
        ref = self._ref()
        if ref is None or not self._fetch("--depth=1", ref):
            what = f"branch {self._spec.branch}" if self._spec.tag is None else f"tag {self._spec.tag}"
            raise Ended("failure", "COMMIT_MISSING", f"the repository has no {what}")
        return self._must("rev-parse", "--verify", "FETCH_HEAD^{commit}").decode().strip()

    def _fetch(self, *arguments: str) -> bool:
        """Fetch refspecs (after options); False when the server refuses them, Ended when asking again is of no use."""
        options = [argument for argument in arguments if argument.startswith("--")]
        refspecs = [argument for argument in arguments if not argument.startswith("--")]
        result, _, errors = self._git("fetch", "-q", "--no-tags", *options, "--", self._remote.url, *refspecs)
        if result.code == 0:
            return True
        if result.timed_out:
            message = f"the clone took longer than {self._spec.clone_timeout_s:g} s"
            raise Ended("failure", "CLONE_TIMEOUT", message, retryable=True)
        reason = errors.strip().splitlines()[0] if errors.strip() else f"git ended with code {result.code}"
        if _REFUSED.search(errors):
            self._report.info(reason)
            return False
        for pattern, code, retryable in (
            (_DENIED, "CLONE_DENIED", False),
            (_NOT_THERE, "CLONE_FAILED", False),
            (_PASSING, "CLONE_FAILED", True),
        ):
            if found := pattern.search(errors):
                self._report.error(errors.strip())
                line = next((text for text in errors.splitlines() if found[0] in text), reason)
                raise Ended("failure", code, f"clone of {self._remote.url} failed: {line.strip()}", retryable=retryable)
        self._report.info(reason)
        return False

    def _ref(self) -> str | None:
        name = self._spec.tag or self._spec.branch
        if not name or _NO_REF.search(name):
            return None
        return f"refs/tags/{name}" if self._spec.tag else f"refs/heads/{name}"

    def _has(self, commit: str) -> bool:
        return self._git("cat-file", "-e", f"{commit}^{{commit}}")[0].code == 0

    # --- git ---

    def _must(self, *arguments: str) -> bytes:
        result, output, errors = self._git(*arguments)
        if result.code != 0:
            self._report.error(errors.strip())
            raise Ended("failure", "CLONE_FAILED", f"git {arguments[0]} ended with code {result.code}")
        return output

    def _git(self, *arguments: str) -> tuple[Exit, bytes, str]:
        """Run git in the checkout; return how it ended, its output and its error text, both cut at CAPTURE_BYTES."""
        captured = {"stdout": bytearray(), "stderr": bytearray()}

        def capture(stream: str, data: bytes) -> None:
            captured[stream] += data[: CAPTURE_BYTES - len(captured[stream])]

        command = Command(
            ("git", *arguments), self._place.source, self._env, self._spec.clone_timeout_s, self._spec.limits
        )
        result = self._supervisor.run(command, capture)
        return result, bytes(captured["stdout"]), captured["stderr"].decode("utf-8", "replace")

    def _environment(self) -> dict[str, str]:
        given = self._remote.credentials
        env = {
            "PATH": self._spec.path,
            "HOME": str(self._place.home),
            "LC_ALL": "C",
            "GIT_CONFIG_NOSYSTEM": "1",
            "GIT_CONFIG_GLOBAL": str(self._place.write("gitconfig", _CONFIG)),
            "GIT_ALLOW_PROTOCOL": self._remote.scheme,
            "GIT_LITERAL_PATHSPECS": "1",
            "GIT_TERMINAL_PROMPT": "0",
            "GIT_ASKPASS": "true",  # answers nothing, where GIT_TERMINAL_PROMPT alone would still try a program
        }
        if self._remote.scheme in ("https", "http") and given.password:
            basic = base64.b64encode(f"{given.username}:{given.password}".encode()).decode()
            parts = urlsplit(self._remote.url)
            env |= {  # bound to this server: not sent to where it may redirect
                "GIT_CONFIG_COUNT": "1",
                "GIT_CONFIG_KEY_0": f"http.{parts.scheme}://{parts.netloc}/.extraHeader",
                "GIT_CONFIG_VALUE_0": f"Authorization: Basic {basic}",
            }
        if self._remote.scheme == "ssh":
            env["GIT_SSH_COMMAND"] = " ".join(self._ssh(given))
        return env

    def _ssh(self, given: Credentials) -> list[str]:
        hosts = self._place.write("known_hosts", given.ssh_known_hosts)
        check = "yes" if given.ssh_known_hosts else "no"
        options = ["ssh", "-F", "/dev/null", "-o", "BatchMode=yes", "-o", "ConnectTimeout=30"]
        options += ["-o", f"StrictHostKeyChecking={check}", "-o", f"UserKnownHostsFile={hosts}"]
        if given.ssh_key:
            key = self._place.write("ssh_key", given.ssh_key.rstrip("\n") + "\n", private=True)
            options += ["-o", "IdentitiesOnly=yes", "-i", str(key)]
        return options

    def forget_credentials(self) -> None:
        """Remove what steps must not read: the private key."""
        (self._place.scripts / "ssh_key").unlink(missing_ok=True)
