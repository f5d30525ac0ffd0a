"""What a worker asks the runner to do: the first line on the runner's standard input. Standard library only."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from libs.common.supervisor import Limits

_MB = 1024 * 1024

# Each limit holds for one process of a step, but for `processes`.
DEFAULT_LIMITS = Limits(
    cpu_s=3600,  # a process that computes for an hour is caught in a loop; the run's time-out bounds the rest
    memory_bytes=4096 * _MB,  # the same as the kubernetes provider's limit, so that a build fits both
    processes=512,  # threads count too: a parallel make or a JVM takes up to 200, a fork bomb is over in a moment
    file_bytes=4096 * _MB,  # larger than any artefact we know of, small enough for one file not to fill a disk
    open_files=4096,  # bundlers watch thousands of files; the common default of 1024 is known to break them
)


@dataclass(frozen=True, slots=True)
class Credentials:
    """How to reach a private repository: a user name and a token (https) or a private key (ssh); "" where unused.

    `ssh_known_hosts` holds lines of known_hosts(5); empty trusts the key that the server shows first.
    """

    username: str = ""
    password: str = field(default="", repr=False)
    ssh_key: str = field(default="", repr=False)
    ssh_known_hosts: str = ""


@dataclass(frozen=True, slots=True)
class RunSpec:
    """One run of a pipeline.

    `commit` is a whole commit id; None: what `branch` or `tag` points to when the run begins. `branch`, `tag`: short
    names, None where the event has none. `changed_files`: None when unknown. `env` is the repository's, `secrets` all
    of its secrets, of which a step sees those that the pipeline names. `uid_base`: the first of the user ids that root
    gives to builds, 0 to run them as root all the same.
    """

    job_id: str
    build_id: str
    repository: str
    clone_url: str
    commit: str | None
    event: str
    work_folder: str
    branch: str | None = None
    tag: str | None = None
    changed_files: tuple[str, ...] | None = None
    pipeline_path: str = ".slipway.yml"
    env: Mapping[str, str] = field(default_factory=dict)
    secrets: Mapping[str, str] = field(default_factory=dict, repr=False)
    credentials: Credentials = field(default_factory=Credentials)
    allow_insecure_clone: bool = False
    path: str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
    uid_base: int = 61000
    limits: Limits = DEFAULT_LIMITS
    output_max_bytes: int = 60 * _MB  # under the job log's 64 MB, so that exit codes still fit in after a flood
    clone_timeout_s: float = 600.0  # a shallow clone of a large repository over a slow line takes minutes
    silence_s: float = 8.0
    grace_s: float = 10.0

    def to_line(self) -> bytes:
        """Encode as one line of JSON, with its end."""
        return json.dumps(asdict(self)).encode() + b"\n"

    @classmethod
    def from_line(cls, line: bytes) -> "RunSpec":
        fields: dict[str, Any] = json.loads(line)
        fields["credentials"] = Credentials(**fields["credentials"])
        fields["limits"] = Limits(**fields["limits"])
        files = fields["changed_files"]
        fields["changed_files"] = None if files is None else tuple(files)
        return cls(**fields)
