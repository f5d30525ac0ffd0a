"""The session cookie: how it is set, and which requests get one."""

from typing import Any

from litestar.connection import ASGIConnection
from litestar.datastructures import Cookie

from libs.common.auth.sessions import COOKIE
from services.gateway.accounts.service.logins import SessionLife

Connection = ASGIConnection[Any, Any, Any, Any]


class Cookies:
    """Makes session cookies: HttpOnly, SameSite=Lax, for the whole site.

    `always_secure` marks each as one for HTTPS only; otherwise that depends on how the request came. `proxy_hops` is
    how many trusted proxies stand in front: only then X-Forwarded-Proto is believed.
    """

    def __init__(self, life: SessionLife, *, always_secure: bool, proxy_hops: int) -> None:
        self._life = life
        self._always_secure = always_secure
        self._proxy_hops = proxy_hops

    def of(self, session: str, request: Connection) -> Cookie:
        """The cookie that keeps a session for as long as it can last."""
        return self._cookie(session, int(self._life.whole.total_seconds()), request)

    def gone(self, request: Connection) -> Cookie:
        """The cookie that makes a browser forget its session."""
        return self._cookie("", 0, request)

    def _cookie(self, value: str, max_age_s: int, request: Connection) -> Cookie:
        secure = self._always_secure or self._came_by_https(request)
        return Cookie(
            key=COOKIE, value=value, path="/", max_age=max_age_s, httponly=True, samesite="lax", secure=secure
        )

    def _came_by_https(self, request: Connection) -> bool:
        if self._proxy_hops > 0:
            # The outermost proxy's word stands first where each adds its own; most setups pass on just one.
            return request.headers.get("x-forwarded-proto", "").partition(",")[0].strip().lower() == "https"
        return request.scope.get("scheme") == "https"


def is_same_site(request: Connection) -> bool:
    """Tell whether a page of ours, or no page at all, sent this; a page elsewhere must not log its visitor in here.

    Browsers say so in Sec-Fetch-Site (Fetch Metadata; not on plain HTTP), and in the Origin of every POST (RFC 6454).
    """
    site = request.headers.get("sec-fetch-site")
    if site is not None:
        return site in {"same-origin", "none"}
    origin, host = request.headers.get("origin"), request.headers.get("host")
    return origin is None or origin in {f"http://{host}", f"https://{host}"}
