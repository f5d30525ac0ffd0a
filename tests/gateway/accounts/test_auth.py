"""Passwords, tokens, keys, and the key they all come from."""

import asyncio
import base64
import json
import time

import jwt
import pytest

from libs.common.auth.hashing import Passwords
from libs.common.auth.keys import DEFAULT_SCOPES, StaticKey, StaticKeys, make_key, parse_key
from libs.common.auth.secret_key import derive, weakness
from libs.common.auth.tokens import AUDIENCE, ISSUER, Tokens
from libs.common.errors import TooManyRequests, Unauthenticated
from tests.gateway.serving import SECRET_KEY

OLD_KEY = "f9993ac1e5d1f6dd2b0c95fa7de6b3c1e2b4a7d0"


# --- SECRET_KEY ---


@pytest.mark.parametrize(
    "secret",
    [
        "",
        "short",
        "x" * 64,
        "1234" * 16,
        "change-me-please-change-me-please-now",
        "your_secret_key_here_0123456789abcdef",
    ],
)
def test_weak_secret_keys_are_refused(secret: str) -> None:
    """Short, repetitive and example keys are named as such."""
    problem = weakness(secret)
    assert problem is not None
    assert "openssl rand" in problem


def test_good_secret_key() -> None:
    """A random key of 32 bytes or more is good."""
    assert weakness(SECRET_KEY) is None


def test_each_purpose_has_its_own_key() -> None:
    """The key for tokens says nothing about the key for sealing."""
    assert len(derive(SECRET_KEY, "tokens")) == 32
    assert derive(SECRET_KEY, "tokens") == derive(SECRET_KEY, "tokens")
    assert derive(SECRET_KEY, "tokens") != derive(SECRET_KEY, "sealing")
    assert derive(SECRET_KEY, "tokens") != derive(OLD_KEY, "tokens")


# --- passwords ---


async def test_passwords() -> None:
    """A password fits its own hash, no other, no damaged one, and no absent one."""
    passwords = Passwords()
    stored = await passwords.hash("correct horse")
    assert stored.startswith("$argon2id$v=19$m=19456,t=2,p=1$")
    assert await passwords.verify("correct horse", stored)
    assert not await passwords.verify("wrong horse", stored)
    assert not await passwords.verify("correct horse", None)
    assert not await passwords.verify("an unknown user", None)
    assert not await passwords.verify("correct horse", "garbage")
    passwords.close()


async def test_flood_of_logins_is_bounded() -> None:
    """Whoever comes behind a hundred waiting logins is told to try again."""
    passwords = Passwords()
    flood = [asyncio.create_task(passwords.verify("x", None)) for _ in range(110)]
    done, pending = await asyncio.wait(flood, return_when=asyncio.FIRST_EXCEPTION)
    refused = [task for task in done if task.exception() is not None]
    assert refused
    assert all(isinstance(task.exception(), TooManyRequests) for task in refused)
    passwords.close()
    for task in pending:
        task.cancel()
    await asyncio.gather(*flood, return_exceptions=True)


# --- tokens ---


def test_token_goes_there_and_back() -> None:
    """A token says whose it is; two tokens have different ids."""
    tokens = Tokens([SECRET_KEY], lifetime_s=60)
    first, second = tokens.read(tokens.issue(42)), tokens.read(tokens.issue(42))
    assert first.user_id == 42
    assert first.jti != second.jti
    raw = jwt.decode(tokens.issue(42), options={"verify_signature": False})
    assert raw["iat"] <= time.time() - 29, "issued in the past, so that another replica's clock may be behind"
    assert (raw["iss"], raw["aud"]) == (ISSUER, AUDIENCE)


def test_expired_token() -> None:
    """A token past its time says so."""
    tokens = Tokens([SECRET_KEY], lifetime_s=-1)
    with pytest.raises(Unauthenticated, match="expired") as refused:
        tokens.read(tokens.issue(1))
    assert refused.value.code == "TOKEN_EXPIRED"


def test_old_key_still_opens() -> None:
    """During a rotation tokens of both keys are good, afterwards only the new one's."""
    old = Tokens([OLD_KEY], lifetime_s=60).issue(1)
    assert Tokens([SECRET_KEY, OLD_KEY], lifetime_s=60).read(old).user_id == 1
    with pytest.raises(Unauthenticated):
        Tokens([SECRET_KEY], lifetime_s=60).read(old)


KEY = derive(SECRET_KEY, "tokens")


def _signed(changes: dict[str, object], *, key: bytes | str = KEY, algorithm: str = "HS256") -> str:
    """A token that is right but for `changes` (None: the claim is missing)."""
    now = int(time.time())  # some tokens are made when the tests are collected, minutes before they are used
    claims = {"sub": "1", "iat": now, "exp": now + 3600, "iss": ISSUER, "aud": AUDIENCE, "jti": "x"} | changes
    claims = {name: value for name, value in claims.items() if value is not None}
    return jwt.encode(claims, key, algorithm=algorithm)


def _unsigned() -> str:
    """A right token by the algorithm `none`, which PyJWT itself does not let one make with a key."""
    head, body, _ = _signed({}).split(".")
    head = base64.urlsafe_b64encode(b'{"alg":"none","typ":"JWT"}').decode().rstrip("=")
    return f"{head}.{body}."


def test_sample_token_is_right() -> None:
    """The tokens below are refused for what is changed in them."""
    assert Tokens([SECRET_KEY], lifetime_s=60).read(_signed({})).user_id == 1


@pytest.mark.parametrize(
    "token",
    [
        "",
        "a.b.c",
        "..",
        _signed({}, key=b"x" * 64),
        _signed({}, key=KEY * 2, algorithm="HS512"),
        _unsigned(),
        *(_signed({claim: None}) for claim in ("sub", "iat", "exp", "iss", "aud", "jti")),
        _signed({"iss": "somebody"}),
        _signed({"aud": "something"}),
        _signed({"aud": [AUDIENCE, "other"]}),
        _signed({"sub": "admin"}),
        _signed({"iat": int(time.time()) + 3600}),
        base64.urlsafe_b64encode(b"[" * 2500).decode() + ".e30.x",
        base64.urlsafe_b64encode(json.dumps({"alg": "HS256", "crit": ["x"]}).encode()).decode().rstrip("=") + ".e30.x",
    ],
)
def test_bad_tokens(token: str) -> None:
    """Another key, algorithm, issuer or audience, a missing claim and rubbish are all the same INVALID_TOKEN."""
    with pytest.raises(Unauthenticated) as refused:
        Tokens([SECRET_KEY], lifetime_s=60).read(token)
    assert refused.value.code == "INVALID_TOKEN"
    assert refused.value.headers["WWW-Authenticate"].startswith("Bearer")


# --- API keys ---


def test_form_of_keys() -> None:
    """A made key has the documented form and is its own."""
    key = make_key()
    parsed = parse_key(key)
    assert parsed is not None
    assert key == f"slp_{parsed[0]}_{parsed[1]}"
    assert (len(parsed[0]), len(parsed[1])) == (8, 32)
    assert make_key() != key
    assert parse_key("slp_short_key") is None
    assert parse_key(key + "\n") is None


def test_static_keys_and_their_scopes() -> None:
    """A static key has the documented scopes, or those that its entry names; `admin` makes a superuser."""
    keys = StaticKeys(
        StaticKey.parse(entry) for entry in ("plain-key", "vm-key-1=vms:read+vms:write", "root-key=admin")
    )
    plain, vms, root = keys.find("plain-key"), keys.find("vm-key-1"), keys.find("root-key")
    assert plain is not None
    assert (plain.user_id, plain.name, plain.scopes, plain.is_superuser) == (None, "pipeline", DEFAULT_SCOPES, False)
    assert plain.key_id is not None
    assert "plain" not in plain.key_id
    assert vms is not None
    assert vms.scopes == {"vms:read", "vms:write"}
    assert root is not None
    assert root.is_superuser
    assert keys.find("vm-key-1=vms:read+vms:write") is None
    assert keys.find("plain-ke") is None


@pytest.mark.parametrize("entry", ["short", "good-key-1=nonsense", "good-key-1=", "clé-clé-clé", "=admin"])
def test_wrong_entries_of_api_keys(entry: str) -> None:
    """An entry that cannot be meant so is refused without being shown."""
    with pytest.raises(ValueError, match="must") as refused:
        StaticKey.parse(entry)
    assert entry not in str(refused.value)
