"""Recipes for tests, and configurations that hold them."""

from typing import Any, Final

from tests.webhooks.people import Caller

CONFIG: Final = "/api/config"


def recipe(text: str = "one", *, name: str = "demo") -> str:
    """A valid recipe that differs by `text`."""
    return f"name: {name}\ndescription: {text}\nmodules:\n  - type: script\n    scripts: ['echo {text}']\n"


def body(name: str = "demo", **other: Any) -> dict[str, Any]:
    """What a configuration is saved with."""
    return {"name": name, "yaml_content": recipe(), "image_type": "fedora-bootc"} | other


async def saved(caller: Caller, name: str = "demo", **other: Any) -> dict[str, Any]:
    """Save a configuration; answers it as it was answered."""
    answer = await caller.post(CONFIG, body(name, **other))
    assert answer.status_code == 201, answer.text
    made: dict[str, Any] = answer.json()
    return made


def error(answer: Any) -> tuple[int, str, str]:
    """The status, code and message of a refusal."""
    said = answer.json()["error"]
    return answer.status_code, said["code"], said["message"]
