"""Builds that tests report on."""

from typing import Any

from tests.webhooks.people import Caller

NEW = {"platform": "aws", "os_version": "rhel-9.2", "image_type": "base"}


async def made(caller: Caller, build_id: str = "nightly", **other: Any) -> str:
    """Make a build; answers its uid."""
    answer = await caller.post("/builds", NEW | {"build_id": build_id} | other)
    assert answer.status_code == 201, answer.text
    uid: str = answer.json()["id"]
    return uid


async def reached(caller: Caller, ref: str, *codes: int) -> None:
    """Report these states."""
    for code in codes:
        answer = await caller.post(f"/builds/{ref}/state", {"state_code": code, "message": f"in {code}"})
        assert answer.status_code == 200, answer.text


async def failed(caller: Caller, ref: str, message: str = "no") -> None:
    answer = await caller.post(f"/builds/{ref}/failure", {"error_message": message})
    assert answer.status_code == 200, answer.text


def refusal(answer: Any) -> tuple[int, str]:
    """The status and code of an answer that is none of success."""
    return answer.status_code, answer.json()["error"]["code"]
