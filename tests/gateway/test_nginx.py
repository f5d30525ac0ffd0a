"""nginx/slipway.conf as it is, in front of two gateways of which one is killed."""

import asyncio
import shutil
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import httpx
import pytest

from tests.gateway.keyed import Gates
from tests.gateway.keyed_site import BOB, THING, Site, listening, open_keyed_site
from tests.servers import ROOT, free_port
from tests.world import DEADLINE_S

NGINX = shutil.which("nginx") or "/usr/sbin/nginx"
pytestmark = pytest.mark.skipif(not Path(NGINX).exists(), reason="there is no nginx here")


@asynccontextmanager
async def nginx(folder: Path, *ports: int) -> AsyncIterator[httpx.AsyncClient]:
    """Run nginx with our file in front of gateways on these ports; gives a client of it."""
    port = free_port()
    ours = (ROOT / "nginx" / "slipway.conf").read_text().replace("listen 8080;", f"listen 127.0.0.1:{port};")
    known = "    server 127.0.0.1:8000 max_fails=1 fail_timeout=2s;\n"
    assert known in ours
    ours = ours.replace(known, "".join(known.replace("8000", str(one)) for one in ports))
    temporary = "".join(
        f"{kind}_temp_path {folder}/{kind};\n" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    (folder / "nginx.conf").write_text(
        f"daemon off; master_process off; pid {folder}/nginx.pid; error_log {folder}/error.log;\n"
        f"events {{}}\nhttp {{ access_log off;\n{temporary}{ours}}}\n"
    )
    process = await asyncio.create_subprocess_exec(NGINX, "-p", str(folder), "-c", f"{folder}/nginx.conf")
    try:
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=DEADLINE_S) as client:
            await listening(client)
            yield client
    finally:
        process.terminate()
        await process.wait()


@pytest.fixture
async def site(database: str) -> AsyncIterator[Site]:
    async with open_keyed_site(database) as site:
        yield site


async def test_a_gateway_is_killed_with_a_request_in_its_hands(site: Site, tmp_path: Path) -> None:
    """The client of a killed gateway gets its answer from another one, and what it asked for is done once."""
    place = "held before the commit"
    gates = Gates()
    gates.opened[place].set()
    async with AsyncExitStack() as stack:
        port = free_port()
        doomed = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "tests.gateway.keyed", site.url, str(port)),
            cwd=ROOT,
            stdout=asyncio.subprocess.PIPE,
        )
        stack.push_async_callback(doomed.wait)
        try:
            await listening(await stack.enter_async_context(httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}")))
            other = await site.gateway(gates)
            assert other.base_url.port is not None
            client = await stack.enter_async_context(nginx(tmp_path, port, other.base_url.port))
            # Two connections: least_conn gives one request to each gateway; the other gateway's holds nobody up.
            asked = [
                asyncio.create_task(
                    client.post("/things", json={"name": str(number)}, params={"fault": place}, headers=BOB)
                )
                for number in range(2)
            ]
            assert doomed.stdout is not None
            async with asyncio.timeout(DEADLINE_S):
                while f"reached: {place}".encode() not in await doomed.stdout.readline():
                    pass
        finally:
            doomed.kill()
        answers = await asyncio.gather(*asked)
    assert [answer.status_code for answer in answers] == [201, 201]
    assert sorted(answer.json()["name"] for answer in answers) == ["0", "1"]
    assert await site.done() == 2
    assert all(row.key.startswith("ngx-") for row in await site.rows())


async def test_a_key_of_the_client_s_own_is_passed_on(site: Site, tmp_path: Path) -> None:
    """nginx makes keys only for those who send none."""
    gateway = await site.gateway()
    assert gateway.base_url.port is not None
    async with nginx(tmp_path, gateway.base_url.port) as client:
        await client.post("/things", json=THING, headers=BOB | {"Idempotency-Key": "mine"})
        await client.post("/things", json=THING, headers=BOB)
    assert sorted(row.key[:4] for row in await site.rows()) == ["mine", "ngx-"]
