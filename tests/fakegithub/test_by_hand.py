"""The fake as a newcomer starts it: a command that says which settings to give to Slipway."""

import re
import subprocess
import sys
import time

import httpx

from tests.docs.test_pages import page
from tests.servers import ROOT

DEADLINE_S = 30


def test_runs_go_by_themselves_and_the_page_says_how() -> None:
    """What the command prints are settings that work; a dispatched run ends without any help."""
    argv = [sys.executable, "-m", "tests.fakegithub", "--port", "0", "--pace", "0.05"]
    assert "python -m tests.fakegithub" in page("docs/github.md")
    with subprocess.Popen(argv, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            settings = dict(process.stdout.readline().strip().split("=", 1) for _ in range(4))
            assert settings.keys() == set(re.findall(r"^(GITHUB_\w+)=", page("docs/github.md"), re.MULTILINE))
            headers = {"Authorization": f"Bearer {settings['GITHUB_TOKEN']}", "X-GitHub-Api-Version": "2026-03-10"}
            repository = f"/repos/{settings['GITHUB_REPO']}/actions"
            with httpx.Client(base_url=settings["GITHUB_API_URL"], headers=headers, timeout=10) as client:
                dispatch = f"{repository}/workflows/{settings['GITHUB_WORKFLOW_FILE']}/dispatches"
                run = client.post(dispatch, json={"ref": "main"}).json()
                deadline = time.monotonic() + DEADLINE_S
                while client.get(run["run_url"]).json()["conclusion"] != "success":
                    assert time.monotonic() < deadline, "the run does not end"
                assert "Complete job" in client.get(run["html_url"]).text
        finally:
            process.terminate()
