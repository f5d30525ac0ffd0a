"""From a repository's address to the API of its forge."""

import re
from typing import Final
from urllib.parse import urlsplit

_SCP_LIKE: Final = re.compile(r"(?:[^/:@\s]+@)?(?P<host>[^/:@\s]+):(?!//)\S+")


def gitea_api(full_name: str, html_url: str | None, clone_url: str) -> str | None:
    """The base address of a Gitea's or Forgejo's API; None when neither address names a host.

    Both may live below a path (`https://host/git/owner/name`). The page's address goes before the clone address; of an
    ssh address only the host is known, and https is what is tried.
    """
    for address in (html_url, clone_url):
        base = _base(address, full_name) if address else None
        if base is not None:
            return f"{base}/api/v1"
    return None


def _base(address: str, full_name: str) -> str | None:
    if "://" not in address:
        found = _SCP_LIKE.fullmatch(address)
        return None if found is None else f"https://{found['host']}"
    try:
        parts = urlsplit(address)
        host, port = parts.hostname, parts.port  # both are read only when asked for, and may raise
    except ValueError:
        return None
    if not host:
        return None
    host = f"[{host}]" if ":" in host else host  # IPv6
    if parts.scheme not in ("http", "https"):
        return f"https://{host}"
    below = parts.path.rstrip("/").removesuffix(".git")
    below = below[: -len(full_name)] if below.lower().endswith(f"/{full_name.lower()}") else "/"
    return f"{parts.scheme}://{host}{f':{port}' if port else ''}{below.rstrip('/')}"
