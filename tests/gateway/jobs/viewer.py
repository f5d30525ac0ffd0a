"""A client of event streams that believes only what the format promises."""

import json
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Any

import httpx

from libs.common.jobs.joblog.entries import EntryId

EVENT_STREAM = {"Accept": "text/event-stream"}


@dataclass(frozen=True)
class Sent:
    """One event: `event` is "message" when it has no name; `id` None when it has none."""

    event: str
    data: Any
    id: str | None


async def events(answer: httpx.Response) -> AsyncIterator[Sent]:
    """Parse a stream as EventSource does (comments and `retry` are passed over)."""
    held = b""
    fields: dict[str, str] = {}
    async for chunk in answer.aiter_bytes():
        held += chunk
        *lines, held = held.split(b"\n")
        for raw in lines:
            line = raw.decode()
            if line:
                name, _, value = line.partition(":")
                fields[name] = value.removeprefix(" ")
                continue
            if "data" in fields or "id" in fields:
                data = json.loads(fields["data"]) if "data" in fields else None
                yield Sent(fields.get("event", "message" if "data" in fields else "position"), data, fields.get("id"))
            fields = {}


@dataclass
class Viewer:
    """Shows one job's log, across as many connections as it takes, and checks what every client may rely on."""

    client: httpx.AsyncClient
    job_id: Any
    headers: dict[str, str] = field(default_factory=dict)
    lines: list[dict[str, Any]] = field(default_factory=list)
    last_id: str | None = None
    statuses: list[str] = field(default_factory=list)
    seen: list[Sent] = field(default_factory=list)
    end: dict[str, Any] | None = None
    resets: int = 0

    async def watch(self, *, leave: Callable[["Viewer"], bool] = lambda _: False) -> int:
        """Open the stream behind what was seen and follow it until it ends or `leave` says so; answers the status."""
        headers = {**EVENT_STREAM, **self.headers}
        if self.last_id is not None:
            headers["Last-Event-ID"] = self.last_id
        async with self.client.stream("GET", f"/jobs/{self.job_id}/logs", headers=headers) as answer:
            if answer.status_code == 200:
                async with aclosing(events(answer)) as stream:  # type: ignore[type-var] # it is a generator
                    async for event in stream:
                        self.take(event)
                        if leave(self):
                            break
            return answer.status_code

    async def watch_to_the_end(self) -> None:
        """Come back as a browser does, until the end was seen."""
        while self.end is None:
            await self.watch()

    def take(self, event: Sent) -> None:
        self.seen.append(event)
        if event.id is not None:
            assert self.last_id is None or _position(event.id) > _position(self.last_id), "ids grow"
            self.last_id = event.id
        match event.event:
            case "message":
                for line in event.data:
                    assert line["id"] == len(self.lines) + 1, "no gap, no repeat"
                    self.lines.append(line)
            case "reset":
                self.resets += 1
                self.lines.clear()
                self.last_id = None
            case "status":
                self.statuses.append(event.data["status"])
            case "end":
                assert self.end is None, "one end"
                self.end = event.data

    @property
    def messages(self) -> list[str]:
        return [line["message"] for line in self.lines]


def _position(text: str) -> EntryId:
    position = EntryId.parse(text)
    assert position is not None
    return position
