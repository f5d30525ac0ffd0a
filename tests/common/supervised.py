"""A small supervised child for tests: `python -m tests.common.supervised` runs its task with `sh -c`.

The task is JSON: {"script": ..., "silence_s": ..., "grace_s": ..., "timeout_s": ..., "limits": {...} or null,
"uid": ... or null, "env": {...}}. Frames: {"out": stream, "text": ...} for output, then {"end": code,
"timed_out": ...} or {"end": "cancelled"}. With SUPERVISED_AS in its environment the program becomes that user first.
"""

import json
import os
import sys
from pathlib import Path

from libs.common.supervisor import Cancelled, Command, Limits, Supervisor, User, WorkerLost


def main() -> int:
    """Do one task."""
    if "SUPERVISED_AS" in os.environ:
        uid = int(os.environ["SUPERVISED_AS"])
        os.setgroups([])
        os.setgid(uid)
        os.setuid(uid)
    supervisor = Supervisor()
    try:
        task = json.loads(supervisor.first_line())
        supervisor.silence_s, supervisor.grace_s = task["silence_s"], task["grace_s"]
        if task["uid"] is not None:
            supervisor.user = User(task["uid"], task["uid"])
        limits = Limits(**task["limits"]) if task["limits"] else None
        env = {"PATH": os.environ["PATH"], **task["env"]}
        command = Command(("sh", "-c", task["script"]), Path("/"), env, task["timeout_s"], limits)

        def on_output(stream: str, data: bytes) -> None:
            supervisor.send({"out": stream, "text": data.decode("utf-8", "replace")})

        try:
            ended = supervisor.run(command, on_output)
            supervisor.send({"end": ended.code, "timed_out": ended.timed_out})
        except Cancelled:
            supervisor.send({"end": "cancelled"})
        supervisor.flush()
    except WorkerLost as lost:
        sys.stderr.write(f"{lost}\n")
        return 75
    return 0


if __name__ == "__main__":
    sys.exit(main())
