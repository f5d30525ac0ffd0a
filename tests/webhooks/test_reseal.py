"""A change of SECRET_KEY: what was sealed before stays readable, and is sealed anew by one command."""

import os
import subprocess
import sys

import pytest

from libs.common.crypto import Sealer
from services.builds.models import Repository
from services.builds.service.sealed import Vault
from tests.gateway.serving import SECRET_KEY, with_driver
from tests.servers import ROOT
from tests.webhooks.people import REPOSITORIES, person
from tests.webhooks.site import Site

NEW_KEY = "6f5902ac237024bdd0c176cb93063dc4cf1e2d3b"
OTHER_KEY = "a3cca2b2aa1e3b5b3b5aad99a8529074e0f7c1d2"


def reseal(database: str, key: str, old: str) -> subprocess.CompletedProcess[str]:
    """Run the command as an operator does."""
    env = {"PATH": os.environ["PATH"], "DATABASE_URL": with_driver(database), "SECRET_KEY": key, "SECRET_KEY_OLD": old}
    argv = [sys.executable, "-m", "services.builds.reseal"]
    return subprocess.run(argv, cwd=ROOT, env=env, capture_output=True, text=True, timeout=60, check=False)


async def test_all_sealed_columns_move_to_the_new_key(site: Site, database: str) -> None:
    """Afterwards the new key alone opens every value, unchanged; a second run changes nothing."""
    grace = await person(site, "grace")
    uid = await grace.with_secret("s3cret-of-this-address")
    await grace.put(f"{REPOSITORIES}/{uid}/secrets/TOKEN", {"value": "t0k"})
    await grace.put(f"{REPOSITORIES}/{uid}/credentials", {"password": "pw"})
    await grace.patch(f"{REPOSITORIES}/{uid}", {"api_token": "ghp_0123456789"})
    [row] = await site.rows(Repository)
    assert "t0k" not in repr(tuple(row))
    for said in ("4 sealed anew, 0 already were, 0 do not open\n", "0 sealed anew, 4 already were, 0 do not open\n"):
        done = reseal(database, NEW_KEY, SECRET_KEY)
        assert (done.returncode, done.stdout) == (0, said), done.stderr
    [row] = await site.rows(Repository)
    vault = Vault(Sealer([NEW_KEY]))
    assert [one.secret for one in vault.webhook_secrets(row)] == ["s3cret-of-this-address"]
    assert (vault.secrets(row), vault.credentials(row).password) == ({"TOKEN": "t0k"}, "pw")
    assert vault.api_token(row) == "ghp_0123456789"


@pytest.mark.databases("sqlite")
async def test_what_does_not_open_is_named(site: Site, database: str) -> None:
    """A value under a key that nobody gave is left as it is, and the command says where and ends with 1."""
    grace = await person(site, "grace")
    uid = await grace.with_secret("s3cret-of-this-address")
    done = reseal(database, NEW_KEY, OTHER_KEY)
    assert (done.returncode, done.stdout) == (1, "0 sealed anew, 0 already were, 1 do not open\n")
    assert done.stderr == f"acme/app ({uid}): webhook do not open with these keys\n"
    assert (await grace.get(f"{REPOSITORIES}/{uid}")).json()["problem"] is None
