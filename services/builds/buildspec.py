"""What a provider needs to know of one build: made by the service, read by providers."""

from collections.abc import Mapping

import msgspec


class BuildSpec(msgspec.Struct, frozen=True, kw_only=True):
    """One build to run.

    `commit` is a whole commit id; None: what `branch` or `tag` points to when the run begins. `branch` and `tag` are
    short names, None where the event has none. `changed_files`: None when unknown. `env` and `secrets` are the
    repository's; a pipeline names the secrets that its steps see. `username` with `password` (https), or `ssh_key` with
    `ssh_known_hosts`, reach a private repository; empty where unused.
    """

    job_id: str
    build_id: str
    repository: str
    clone_url: str
    commit: str | None
    event: str
    branch: str | None = None
    tag: str | None = None
    changed_files: tuple[str, ...] | None = None
    pipeline_path: str = ".slipway.yml"
    env: Mapping[str, str] = {}
    secrets: Mapping[str, str] = {}
    username: str = ""
    password: str = ""
    ssh_key: str = ""
    ssh_known_hosts: str = ""
