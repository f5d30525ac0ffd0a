"""Answers of the build routes under /api/v1: builds and their histories, the matrix, statistics, axis values."""

from datetime import datetime
from typing import Any, Final, Literal
from uuid import UUID

import msgspec

ChannelName = Literal["stable", "testing"]
"""Where a build can be promoted to; `testing` usually comes before `stable`, but nothing asks for it."""

StatusName = Literal["pending", "queued", "in_progress", "success", "failure", "cancelled"]
ExecutorName = Literal["external", "github", "kubernetes", "local"]


class BuildRepository(msgspec.Struct, frozen=True):
    """Which repository a build is of."""

    uid: str
    full_name: str


class BuildError(msgspec.Struct, frozen=True):
    """Why a build failed or was cancelled: a stable code and words for a person."""

    code: str
    message: str


class BuildView(msgspec.Struct, frozen=True, kw_only=True):
    """A build, whoever runs it.

    `uid` names it for ever, `build_id` is the caller's own name for it, `id` its number in `/api/build`. `state_code`
    is its progress from 0 to 100, `stage` what runs now in the executor's words. `platform`, `os_version` and
    `image_type` are the cell of the matrix that it makes an image for; null for a build that makes none. `run_id` and
    `run_url` are a workflow's on GitHub, `pipeline_url` what a reporting pipeline gave. `channels` are those that offer
    this build now. `repository` is null when there is none (any more).
    """

    id: int
    uid: str
    build_id: str | None
    executor: ExecutorName
    status: StatusName
    state_code: int
    stage: str | None
    repository: BuildRepository | None
    event: str | None
    branch: str | None
    tag: str | None
    commit_sha: str | None
    message: str | None
    author: str | None
    platform: str | None
    os_version: str | None
    image_type: str | None
    config_id: int | None
    ref: str | None
    run_id: int | None
    run_url: str | None
    pipeline_url: str | None
    error: BuildError | None
    exit_code: int | None
    job_id: UUID | None
    channels: list[str]
    owner: int | None
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    updated_at: datetime


class BuildPage(msgspec.Struct, frozen=True):
    """Builds, newest first."""

    items: list[BuildView]
    total: int
    limit: int
    offset: int
    next_offset: int | None


class StateView(msgspec.Struct, frozen=True, kw_only=True):
    """One entry of a build's history: what was said by whom.

    `duration_s` is the time until the next entry, null for the last one.
    """

    id: int
    status: StatusName
    state_code: int
    stage: str | None
    message: str | None
    actor: str
    job_id: UUID | None
    created_at: datetime
    duration_s: float | None


class StatePage(msgspec.Struct, frozen=True):
    """A build's history, oldest first."""

    items: list[StateView]
    total: int
    limit: int
    offset: int
    next_offset: int | None


class ChannelChoice(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The channel that a build is put into or taken out of."""

    channel: ChannelName


# --- the matrix -------------------------------------------------------------------------------------------------------


class LatestBuild(msgspec.Struct, frozen=True):
    """The newest build of a cell, however it stands."""

    uid: str
    build_id: str | None
    status: StatusName
    state_code: int
    created_at: datetime


class GoodBuild(msgspec.Struct, frozen=True):
    """The newest successful build of a cell; `age_s` is the time since it finished, in seconds."""

    uid: str
    build_id: str | None
    finished_at: datetime
    age_s: int


class MatrixCell(msgspec.Struct, frozen=True):
    """One kind of image: how its newest build stands, which one is good, and what each channel offers (uids)."""

    platform: str
    os_version: str
    image_type: str
    latest: LatestBuild
    good: GoodBuild | None
    channels: dict[str, str | None]


class MatrixView(msgspec.Struct, frozen=True):
    """The images that were ever built: the values of each axis in the order of their names, and the cells."""

    platforms: list[str]
    os_versions: list[str]
    image_types: list[str]
    cells: list[MatrixCell]


# --- statistics -------------------------------------------------------------------------------------------------------


class StageStatistics(msgspec.Struct, frozen=True):
    """How long builds stay in one stage, in seconds, and how often they fail there.

    `count` is how many builds went through it, `p95_s` what 95 of 100 of them did not exceed; `failures` how many
    failed in it. The times are null where no build has left the stage.
    """

    state_code: int
    name: str
    count: int
    average_s: float | None
    p95_s: float | None
    failures: int


class FailingStage(msgspec.Struct, frozen=True):
    """The stage in which most builds failed."""

    state_code: int
    name: str
    failures: int


class StatisticsView(msgspec.Struct, frozen=True):
    """What became of the builds of a time, and how their stages went.

    `builds` were made in the last `days` days; the stages are those of the newest `measured` of them.
    """

    days: int
    builds: int
    succeeded: int
    failed: int
    measured: int
    stages: list[StageStatistics]
    most_failing: FailingStage | None


# --- axes -------------------------------------------------------------------------------------------------------------


class AxisValueView(msgspec.Struct, frozen=True):
    """A platform, OS version or image type that some build named; kept for all, whoever named it first."""

    id: int
    name: str
    created_at: datetime


class AxisValuePage(msgspec.Struct, frozen=True):
    """Values of one axis, by name."""

    items: list[AxisValueView]
    total: int
    limit: int
    offset: int
    next_offset: int | None


# --- examples ---------------------------------------------------------------------------------------------------------

BUILD_EXAMPLE: Final[dict[str, Any]] = {
    "id": 12,
    "uid": "kV3mXq0cTt2d9yqB7aXnUw",
    "build_id": "base-rhel-9.2-117",
    "executor": "external",
    "status": "success",
    "state_code": 100,
    "stage": None,
    "repository": None,
    "event": None,
    "branch": None,
    "tag": None,
    "commit_sha": "8c1d2f0e4b6a7c9d0e1f2a3b4c5d6e7f80912a3b",
    "message": None,
    "author": None,
    "platform": "aws",
    "os_version": "rhel-9.2",
    "image_type": "base",
    "config_id": None,
    "ref": None,
    "run_id": None,
    "run_url": None,
    "pipeline_url": "https://concourse.example/teams/main/pipelines/base/jobs/build/builds/117",
    "error": None,
    "exit_code": None,
    "job_id": None,
    "channels": ["testing"],
    "owner": None,
    "created_at": "2026-11-20T18:00:02Z",
    "started_at": "2026-11-20T18:00:05Z",
    "finished_at": "2026-11-20T18:31:40Z",
    "updated_at": "2026-11-20T18:31:40Z",
}
BUILD_PAGE_EXAMPLE: Final = {"items": [BUILD_EXAMPLE], "total": 1, "limit": 20, "offset": 0, "next_offset": None}
STATE_PAGE_EXAMPLE: Final = {
    "items": [
        {
            "id": 71,
            "status": "in_progress",
            "state_code": 25,
            "stage": "security",
            "message": "Hardening",
            "actor": "pipeline",
            "job_id": None,
            "created_at": "2026-11-20T18:07:12Z",
            "duration_s": 93.2,
        }
    ],
    "total": 1,
    "limit": 20,
    "offset": 0,
    "next_offset": None,
}
MATRIX_EXAMPLE: Final = {
    "platforms": ["aws"],
    "os_versions": ["rhel-9.2"],
    "image_types": ["base"],
    "cells": [
        {
            "platform": "aws",
            "os_version": "rhel-9.2",
            "image_type": "base",
            "latest": {
                "uid": "Zp1mXq0cTt2d9yqB7aXnUw",
                "build_id": "base-rhel-9.2-118",
                "status": "in_progress",
                "state_code": 25,
                "created_at": "2026-11-20T19:00:00Z",
            },
            "good": {
                "uid": "kV3mXq0cTt2d9yqB7aXnUw",
                "build_id": "base-rhel-9.2-117",
                "finished_at": "2026-11-20T18:31:40Z",
                "age_s": 2100,
            },
            "channels": {"stable": None, "testing": "kV3mXq0cTt2d9yqB7aXnUw"},
        }
    ],
}
STATISTICS_EXAMPLE: Final = {
    "days": 30,
    "builds": 120,
    "succeeded": 104,
    "failed": 11,
    "measured": 120,
    "stages": [
        {"state_code": 25, "name": "security", "count": 118, "average_s": 88.4, "p95_s": 140.2, "failures": 7},
    ],
    "most_failing": {"state_code": 25, "name": "security", "failures": 7},
}
AXIS_EXAMPLE: Final = {
    "items": [{"id": 3, "name": "aws", "created_at": "2026-11-20T18:00:02Z"}],
    "total": 1,
    "limit": 20,
    "offset": 0,
    "next_offset": None,
}
