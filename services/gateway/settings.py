"""The settings of the gateway."""

from collections.abc import Iterator
from typing import Annotated

from libs.common.auth import keys
from libs.common.settings import CoreSettings, Secret, Settings, setting
from libs.common.settings.fields import fields


class GatewaySettings(Settings, frozen=True):
    """Who may talk to the gateway, and how it knows them."""

    cors_origins: Annotated[
        tuple[str, ...],
        setting("CORS_ORIGINS", "origins whose pages may call the API, comma separated, or *; empty: none"),
    ] = ()
    access_token_minutes: Annotated[
        int,
        setting("ACCESS_TOKEN_EXPIRE_MINUTES", "minutes a login token is valid", ge=1, le=30 * 24 * 60),
    ] = 30
    session_idle_minutes: Annotated[
        int,
        setting("SESSION_IDLE_MINUTES", "minutes until an unused browser session ends", ge=1, le=30 * 24 * 60),
    ] = 24 * 60
    session_hours: Annotated[
        int,
        setting("SESSION_LIFETIME_HOURS", "hours until a browser session ends however much it is used", ge=1, le=8760),
    ] = 14 * 24
    allow_signups: Annotated[
        bool | None,
        setting(
            "ALLOW_SIGNUPS",
            "whether strangers may make themselves a user; empty: only where API_HOST is a loopback address",
        ),
    ] = None
    api_keys: Annotated[
        tuple[Secret, ...],
        setting(
            "API_KEYS",
            "static keys of the user `pipeline`, comma separated; key=scope+scope gives other scopes than "
            "builds:read+builds:write+jobs:read",
        ),
    ] = ()
    bootstrap_admin_email: Annotated[
        str | None,
        setting("BOOTSTRAP_ADMIN_EMAIL", "e-mail of the superuser that is made while there is no user at all"),
    ] = None
    bootstrap_admin_password: Annotated[
        Secret | None,
        setting("BOOTSTRAP_ADMIN_PASSWORD", "password of that superuser, 8 to 128 characters"),
    ] = None
    trusted_proxies: Annotated[
        int,
        setting(
            "TRUSTED_PROXIES", "proxies in front whose X-Forwarded-For is believed; 0: the socket's peer", ge=0, le=10
        ),
    ] = 0

    def conflicts(self) -> Iterator[tuple[str, str]]:
        if (self.bootstrap_admin_email is None) != (self.bootstrap_admin_password is None):
            yield "BOOTSTRAP_ADMIN_EMAIL", "needs BOOTSTRAP_ADMIN_PASSWORD, and the other way round"
        password = self.bootstrap_admin_password
        if password is not None and not 8 <= len(password.reveal()) <= 128:
            yield "BOOTSTRAP_ADMIN_PASSWORD", "must have 8 to 128 characters"
        if self.bootstrap_admin_email is not None and "@" not in self.bootstrap_admin_email:
            yield "BOOTSTRAP_ADMIN_EMAIL", "must be an e-mail address"
        for entry in self.api_keys:
            try:
                keys.StaticKey.parse(entry.reveal())
            except ValueError as error:
                yield "API_KEYS", str(error)

    def static_keys(self, core: CoreSettings) -> list[keys.StaticKey]:
        """The keys of API_KEYS; in development, when there are none, the documented one."""
        entries = [entry.reveal() for entry in self.api_keys]
        if not entries and core.env == "development":
            entries = [keys.DEVELOPMENT_KEY]
        return [keys.StaticKey.parse(entry) for entry in entries]


class LimitSettings(Settings, frozen=True):
    """How often somebody may ask. Webhooks, probes and static files are not counted."""

    per_key: Annotated[
        int, setting("RATE_LIMIT_PER_KEY", "requests a minute with one API key, or of one person; 0: no limit", ge=0)
    ] = 600
    per_address: Annotated[
        int,
        setting(
            "RATE_LIMIT_PER_ADDRESS",
            "requests a minute without valid credentials from one address (IPv6: one /64); 0: no limit",
            ge=0,
        ),
    ] = 100
    per_login: Annotated[
        int,
        setting("RATE_LIMIT_PER_LOGIN", "logins a minute to one account, from wherever they come; 0: no limit", ge=0),
    ] = 5
    patience_ms: Annotated[
        int,
        setting(
            "RATE_LIMIT_PATIENCE_MS",
            "milliseconds a request waits for Redis; without, each gateway counts for itself",
            ge=1,
        ),
    ] = 50


class RetentionSettings(Settings, frozen=True):
    """How long is kept what is only looked at."""

    audit_days: Annotated[
        int, setting("AUDIT_RETENTION_DAYS", "days for which entries of the audit log are kept; 0: for ever", ge=0)
    ] = 365
    delivery_days: Annotated[
        int,
        setting(
            "DELIVERY_RETENTION_DAYS",
            "days for which verified deliveries are kept; 0: for ever; of refused ones the newest 1,000 stay",
            ge=0,
        ),
    ] = 30
    build_days: Annotated[
        int,
        setting(
            "BUILD_RETENTION_DAYS",
            "days for which ended builds are kept; 0: for ever; what a channel has and the newest good images stay",
            ge=0,
        ),
    ] = 90


class OlderSettings(Settings, frozen=True):
    """Settings of the systems that Slipway replaces and that mean nothing here; the gateway says so at its start."""

    polling: Annotated[
        str | None,
        setting("BUILD_STATUS_POLLING_ENABLED", "has no effect: builds are always looked at, webhooks make it sooner"),
    ] = None
    mode: Annotated[
        str | None, setting("DEPLOYMENT_MODE", "has no effect: what is set decides, a laptop is no special case")
    ] = None
    reload: Annotated[str | None, setting("API_RELOAD", "has no effect: restart the gateway to load other code")] = None

    def said(self) -> Iterator[tuple[str, str]]:
        """The names that are set, each with why it has no effect."""
        for field in fields(type(self)):
            if getattr(self, field.attribute) is not None:
                yield field.setting.name, field.setting.doc
