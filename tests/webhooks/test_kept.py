"""What is kept of deliveries: enough to answer questions, bounded, and without any secret."""

import json
import secrets
import zlib
from typing import Any
from urllib.parse import urlencode

import pytest
from sqlalchemy import insert

from libs.common.database import utcnow
from services.builds.models import Delivery
from tests.builds.forges.payloads import SignedRequest, old_gitea_push_payload, push_payload, push_request, sign
from tests.webhooks.site import SECRETS, Site

MB = 1024 * 1024


async def test_headers_without_secrets(site: Site) -> None:
    """The forge's headers are kept; tokens, cookies, authorisation and strangers' headers are not."""
    request = push_request("gitlab", secret=SECRETS["gitlab"])
    extra = {"Authorization": "Bearer abc", "Cookie": "a=b", "X-Gitea-Token": "t", "X-Other": "x", "User-Agent": "GL/1"}
    await site.post("gitlab", SignedRequest(request.headers | extra, request.body))
    await site.post("gitlab", push_request("gitlab", secret="wrong-secret"))
    accepted, refused = await site.rows(Delivery)
    assert accepted.headers["x-gitlab-event"] == "Push Hook"
    assert accepted.headers["user-agent"] == "GL/1"
    assert accepted.headers["content-type"] == "application/json"
    assert not {"authorization", "cookie", "x-gitlab-token", "x-gitea-token", "x-other"} & accepted.headers.keys()
    assert "x-gitlab-token" not in refused.headers
    assert SECRETS["gitlab"] not in str(accepted)
    assert "wrong-secret" not in str(refused)


@pytest.mark.databases("sqlite")
async def test_floods_of_headers_are_cut(site: Site) -> None:
    """Long and many headers of a stranger leave a bounded row."""
    headers = {f"X-Github-{number}": "v" * 2000 for number in range(100)}
    await site.post("github", SignedRequest({**headers, "Content-Type": "application/json"}, b"{}"))
    [row] = await site.rows(Delivery)
    assert len(row.headers) <= 40
    assert max(map(len, row.headers.values())) <= 512


@pytest.mark.parametrize("form", [False, True], ids=["json", "form"])
@pytest.mark.parametrize("secret", ["s3cr3t-in-the-body", 'quo"ted\\slash', "ünï & +%22"])
@pytest.mark.databases("sqlite")
async def test_the_secret_in_an_old_gitea_body_is_masked(site: Site, form: bool, secret: str) -> None:
    """Gitea before 1.14 sends the secret in the body; no kept body has it, whether accepted, ignored or refused."""
    payload = {**old_gitea_push_payload(), "secret": secret}
    accepted = await site.post("gitea", sign("gitea", "push", payload, secret=SECRETS["gitea"], form=form))
    ignored = await site.post("gitea", sign("gitea", "fork", payload, secret=SECRETS["gitea"], form=form))
    refused = await site.post("gitea", sign("gitea", "push", payload, secret="other", form=form))
    assert [answer.status_code for answer in (accepted, ignored, refused)] == [202, 200, 401]
    for row in await site.rows(Delivery):
        kept = zlib.decompress(row.body)
        for spelling in (secret, json.dumps(secret)[1:-1], urlencode({"": secret})[1:]):
            assert spelling.encode() not in kept
        assert b"***" in kept
        assert secret not in json.dumps(row.event)


async def test_bodies_are_kept_compressed_up_to_a_megabyte(site: Site) -> None:
    """A body of ordinary size is kept whole, of a larger one the first megabyte, with its true length."""
    small = push_request("gitea", secret=SECRETS["gitea"])
    payload = push_payload("gitea", message="large") | {"padding": secrets.token_hex(MB)}
    large = sign("gitea", "push", payload, secret=SECRETS["gitea"])
    for request in (small, large):
        assert (await site.post("gitea", request)).status_code == 202
    first, second = await site.rows(Delivery)
    assert zlib.decompress(first.body) == small.body
    assert zlib.decompress(second.body) == large.body[:MB]
    assert second.body_bytes == len(large.body) > 2 * MB


async def test_refused_ones_are_kept_small_and_few(site: Site) -> None:
    """Of refused deliveries 4 KB and the newest 1,000 are kept, however many verified ones lie between."""
    async with site.database.transaction() as tx:
        await tx.execute(insert(Delivery), [_old_row("refused") for _ in range(1100)])
        await tx.execute(insert(Delivery), [_old_row("ignored") for _ in range(50)])
    body = secrets.token_hex(10_000).encode()
    answer = await site.post("github", SignedRequest({"Content-Type": "application/json"}, body))
    assert answer.status_code == 401
    rows = await site.rows(Delivery)
    refused = [row for row in rows if row.verdict == "refused"]
    assert len(refused) == 1000
    assert (zlib.decompress(refused[-1].body), refused[-1].body_bytes) == (body[:4096], 20_000)
    assert refused[-1].id == max(row.id for row in rows)
    assert len(rows) == 1050


def _old_row(verdict: str) -> dict[str, Any]:
    values = {"forge": "github", "address": "", "verdict": verdict, "headers": {}, "body_bytes": 0}
    return values | {"received_at": utcnow()}
