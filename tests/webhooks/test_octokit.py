"""GitHub's whole collection of recorded payloads, sent to a real gateway."""

import json
from collections import Counter

import pytest

from libs.common.jobs.models import Job
from services.builds.forges import EventKind
from services.builds.models import Delivery
from tests.builds.forges.payloads import NO_COMMIT, octokit_examples, sign
from tests.webhooks.site import SECRETS, Site


@pytest.mark.parametrize("form", [False, pytest.param(True, marks=pytest.mark.slow)], ids=["json", "form"])
async def test_every_example_is_answered(site: Site, form: bool) -> None:
    """Each pushed branch or tag gives one job, whatever comes twice none, deletions and all else a reason.

    News of workflow runs are of runs that nobody here waits for.
    """
    jobs: dict[str, str] = {}
    reasons: Counter[str] = Counter()
    for name, event, payload in octokit_examples():
        answer = await site.post("github", sign("github", event, payload, secret=SECRETS["github"], form=form))
        body, where = answer.json(), (name, event, answer.text)
        if event != "push" or payload["after"] == NO_COMMIT:
            assert answer.status_code == 200, where
            assert body["status"] == "ignored"
            assert body["message"]
            reasons[body["reason"]] += 1
            continue
        text = json.dumps(payload)  # recorded for several versions of Enterprise Server, byte for byte
        assert answer.status_code == (200 if text in jobs else 202), where
        assert body["duplicate"] == (text in jobs)
        assert jobs.setdefault(text, body["job_id"]) == body["job_id"]
    assert sorted(str(row.id) for row in await site.rows(Job)) == sorted(jobs.values())
    assert len(jobs) == len(set(jobs.values()))

    verdicts = Counter(row.verdict for row in await site.rows(Delivery))
    assert verdicts == {"accepted": len(jobs), "ignored": sum(reasons.values())}
    assert {EventKind(row.event["kind"]) for row in await site.rows(Delivery)} == set(EventKind) - {EventKind.MANUAL}
    assert reasons["PING"] == 11
    assert reasons["REF_DELETED"] == 6
    assert set(reasons) == {
        "PING",
        "REF_DELETED",
        "ANNOUNCED_TWICE",
        "EVENT_IGNORED",
        "ACTION_IGNORED",
        "EVENT_FILTERED",
        "RUN_UNKNOWN",
    }
