"""Whose credential is it? The one answer for tokens and keys."""

from libs.common import metrics
from libs.common.auth.keys import StaticKeys
from libs.common.auth.tokens import Tokens
from libs.common.errors import Unauthenticated
from libs.common.http.guards import CHALLENGE
from libs.common.http.principal import ORDINARY_SCOPES, SCOPES, Principal
from services.gateway.accounts.service import Account, Accounts


class Authenticator:
    """Checks a credential: a static API key, else a token of a user who is still active."""

    def __init__(self, static_keys: StaticKeys, tokens: Tokens, accounts: Accounts) -> None:
        self._static_keys = static_keys
        self._tokens = tokens
        self._accounts = accounts

    async def __call__(self, credential: str) -> Principal:
        """Raises Unauthenticated: INVALID_API_KEY, INVALID_TOKEN, TOKEN_EXPIRED."""
        principal = self._static_keys.find(credential)
        if principal is not None:
            return principal
        try:
            return await self._from_token(credential)
        except Unauthenticated as refusal:
            metrics.AUTH_FAILURES.labels(refusal.code.lower()).inc()
            raise

    async def _from_token(self, credential: str) -> Principal:
        if credential.count(".") != 2:  # the three parts of a JWT in compact form
            raise Unauthenticated("Invalid API key", code="INVALID_API_KEY", headers=CHALLENGE)
        claims = self._tokens.read(credential)
        account = await self._accounts.get(claims.user_id)
        if account is None or not account.is_active:
            raise Unauthenticated("Invalid token", code="INVALID_TOKEN", headers=CHALLENGE)
        return principal_of(account)


def principal_of(account: Account) -> Principal:
    """A person has all ordinary scopes over what is theirs; a superuser has every right over everything."""
    return Principal(
        user_id=account.id,
        name=account.username,
        scopes=SCOPES if account.is_superuser else ORDINARY_SCOPES,
        is_superuser=account.is_superuser,
    )
