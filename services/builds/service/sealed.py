"""The secrets of repositories: four columns that are JSON inside and sealed outside.

    sealed_webhook_secrets  list of WebhookSecret, newest first: what proves deliveries to the repository's own address
    sealed_secrets          object, name -> value: what pipelines may name
    sealed_credentials      object, fields of Credentials: how a private repository is cloned
    sealed_api_token        text: the token with which we speak to the forge's REST API for this repository

What is sealed is bound to its column and to its repository's uid, so none can be moved to another place.
"""

from datetime import datetime
from typing import Any, Final, TypeVar

import msgspec

from libs.common.crypto import CannotOpen, Sealer
from services.builds.errors import SecretsUnreadable

T = TypeVar("T")

PURPOSES: Final = {
    "sealed_webhook_secrets": "webhook",
    "sealed_secrets": "secrets",
    "sealed_credentials": "credentials",
    "sealed_api_token": "api token",
}
"""Each sealed column of a repository with the first word of its purpose, `<word>:<uid>`."""


class WebhookSecret(msgspec.Struct, frozen=True, kw_only=True):
    """One secret of a webhook address; `id` names it where it must not be shown. `expires_at` None: until deleted."""

    id: str
    secret: str
    created_at: datetime
    expires_at: datetime | None = None

    def is_valid(self, at: datetime) -> bool:
        return self.expires_at is None or at < self.expires_at


class Credentials(msgspec.Struct, frozen=True, omit_defaults=True):
    """How a private repository is reached: name and token (https) or private key (ssh); empty where unused.

    `ssh_known_hosts` holds lines of known_hosts(5); empty trusts the key that the server shows first.
    """

    username: str = ""
    password: str = ""
    ssh_key: str = ""
    ssh_known_hosts: str = ""


class Vault:
    """Opens and seals these columns. Opening raises SecretsUnreadable when SECRET_KEY is another one.

    `repository` is a row (or anything else) with `uid` and the column that is asked for.
    """

    def __init__(self, sealer: Sealer) -> None:
        self._sealer = sealer

    def webhook_secrets(self, repository: Any) -> list[WebhookSecret]:
        """All of them, expired ones too, newest first."""
        return self._open(repository, "sealed_webhook_secrets", list[WebhookSecret]) or []

    def secrets(self, repository: Any) -> dict[str, str]:
        return self._open(repository, "sealed_secrets", dict[str, str]) or {}

    def credentials(self, repository: Any) -> Credentials:
        return self._open(repository, "sealed_credentials", Credentials) or Credentials()

    def api_token(self, repository: Any) -> str | None:
        """The repository's own token of its forge's REST API, None when it has none."""
        return self._open(repository, "sealed_api_token", str)

    def seal(self, uid: str, column: str, value: Any) -> bytes | None:
        """Answer a column's new content; None, an empty column, for an empty value."""
        return self._sealer.seal(msgspec.json.encode(value), f"{PURPOSES[column]}:{uid}") if value else None

    def _open(self, repository: Any, column: str, kind: type[T]) -> T | None:
        sealed: bytes | None = getattr(repository, column)
        if sealed is None:
            return None
        try:
            plain = self._sealer.open(sealed, f"{PURPOSES[column]}:{repository.uid}")
        except CannotOpen as error:
            raise SecretsUnreadable(
                "The stored secrets of this repository do not open: they were sealed under another SECRET_KEY"
            ) from error
        return msgspec.json.decode(plain, type=kind)
