"""Signatures: official vectors, what each forge sends, and everything that must be refused with a reason."""

import base64
import json
from urllib.parse import urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.builds.forges import FORGES, Refused, Verified
from tests.builds.forges.payloads import SignedRequest, push_payload, push_request, sign, standard_webhook_headers

NOW_S = 1_790_000_000.0
SECRET = "It's a Secret to Everybody"
SIGNING_SECRET = "whsec_" + base64.b64encode(b"0123456789abcdef0123456789abcdef").decode()


def check(
    forge: str,
    request: SignedRequest,
    *secrets: str,
    now_s: float = NOW_S,
    changed: dict[str, str] | None = None,
    without: str | None = None,
) -> Verified | Refused:
    """Verify a request after changing or removing headers."""
    headers = request.headers | (changed or {})
    headers = {name: value for name, value in headers.items() if name != without}
    return FORGES[forge].verify(headers, request.body, headers.get("Content-Type"), secrets, now_s=now_s)


def code(result: Verified | Refused) -> str:
    return result.code if isinstance(result, Refused) else "VERIFIED"


def test_githubs_official_vector_verifies() -> None:
    """The vector in GitHub's documentation is accepted, with the header's name in any case."""
    digest = "757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17"
    for name in ("X-Hub-Signature-256", "x-hub-signature-256", "X-HUB-SIGNATURE-256"):
        headers = {name: f"sha256={digest}"}
        result = FORGES["github"].verify(headers, b"Hello, World!", None, [SECRET], now_s=NOW_S)
        assert result == Verified(secret_index=0)


def test_the_standard_webhooks_official_vector_verifies() -> None:
    """The vector of the Standard Webhooks specification's libraries is accepted at its time."""
    headers = {
        "webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
        "webhook-timestamp": "1614265330",
        "webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
    }
    secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
    result = FORGES["gitlab"].verify(headers, b'{"test": 2432232314}', None, [secret], now_s=1614265330)
    assert result == Verified(secret_index=0)


@pytest.mark.parametrize("form", [False, True], ids=["json", "form"])
@pytest.mark.parametrize("forge", ["gitea", "forgejo", "github"])
def test_what_the_forge_sends_verifies(forge: str, form: bool) -> None:
    """A delivery is accepted in both content types: GitHub signs the form, Gitea and Forgejo the JSON in it."""
    assert check(forge, push_request(forge, secret=SECRET, form=form), SECRET) == Verified(secret_index=0)


@pytest.mark.parametrize("secret", ["plain", SIGNING_SECRET], ids=["token", "signature"])
def test_gitlabs_two_ways_verify(secret: str) -> None:
    """GitLab's plain token and its Standard Webhooks signature are both accepted."""
    request = sign("gitlab", "Push Hook", push_payload("gitlab"), secret=secret, now_s=NOW_S)
    assert check("gitlab", request, secret) == Verified(secret_index=0)


@pytest.mark.parametrize("forge", sorted(FORGES))
def test_each_secret_is_valid_during_a_rotation(forge: str) -> None:
    """Whichever of the configured secrets was used is accepted and named; a secret beyond them is not."""
    request = push_request(forge, secret="old")
    assert check(forge, request, "new", "old") == Verified(secret_index=1)
    assert check(forge, request, "", "old") == Verified(secret_index=1)
    assert code(check(forge, request, "new", "newer")) == "SIGNATURE_WRONG"


@pytest.mark.parametrize("forge", sorted(FORGES))
@pytest.mark.parametrize("secrets", [(), ("",), ("", "")])
def test_no_secret_verifies_nothing(forge: str, secrets: tuple[str, ...]) -> None:
    """Without a secret, or with an empty one, not even a delivery signed with the empty secret is accepted."""
    assert code(check(forge, push_request(forge, secret=""), *secrets)) == "NO_SECRET"


@pytest.mark.parametrize("forge", ["gitea", "forgejo", "github"])
def test_a_changed_body_is_refused(forge: str) -> None:
    """One changed byte makes the signature wrong."""
    request = push_request(forge, secret=SECRET)
    changed = SignedRequest(request.headers, request.body.replace(b"main", b"evil"))
    assert code(check(forge, changed, SECRET)) == "SIGNATURE_WRONG"


HEADERS = [
    # forge, header, value (None: not sent), code
    ("github", "X-Hub-Signature-256", "", "SIGNATURE_EMPTY"),
    ("github", "X-Hub-Signature-256", "sha256=", "SIGNATURE_UNSUPPORTED"),
    ("github", "X-Hub-Signature-256", "sha256=" + "0" * 64, "SIGNATURE_WRONG"),
    ("github", "X-Hub-Signature-256", "0" * 64, "SIGNATURE_UNSUPPORTED"),
    ("github", "X-Hub-Signature-256", "sha1=" + "0" * 40, "SIGNATURE_UNSUPPORTED"),
    ("github", "X-Hub-Signature-256", "sha512=" + "0" * 128, "SIGNATURE_UNSUPPORTED"),
    ("github", "X-Hub-Signature-256", "sha256=" + "0 " * 64, "SIGNATURE_UNSUPPORTED"),
    ("github", "X-Hub-Signature-256", "sha256=" + "\u0660" * 64, "SIGNATURE_UNSUPPORTED"),
    ("github", "X-Hub-Signature-256", "\ud800\x00ÿ", "SIGNATURE_UNSUPPORTED"),
    ("gitea", "X-Gitea-Signature", None, "SIGNATURE_MISSING"),
    ("gitea", "X-Gitea-Signature", "", "SIGNATURE_EMPTY"),
    ("gitea", "X-Gitea-Signature", "0" * 64, "SIGNATURE_WRONG"),
    ("gitea", "X-Gitea-Signature", "sha256=" + "0" * 64, "SIGNATURE_UNSUPPORTED"),
    ("gitea", "X-Gitea-Signature", "0" * 40, "SIGNATURE_UNSUPPORTED"),
    ("gitea", "X-Gitea-Signature", "€", "SIGNATURE_UNSUPPORTED"),
    ("forgejo", "X-Forgejo-Signature", "", "SIGNATURE_EMPTY"),
    ("forgejo", "X-Forgejo-Signature", "0" * 64, "SIGNATURE_WRONG"),
    ("gitlab", "X-Gitlab-Token", None, "SIGNATURE_MISSING"),
    ("gitlab", "X-Gitlab-Token", "", "SIGNATURE_EMPTY"),
    ("gitlab", "X-Gitlab-Token", "wrong", "SIGNATURE_WRONG"),
    ("gitlab", "X-Gitlab-Token", "\ud800€", "SIGNATURE_WRONG"),
]


@pytest.mark.parametrize(("forge", "header", "value", "expected"), HEADERS)
def test_an_odd_signature_is_refused_with_its_reason(forge: str, header: str, value: str | None, expected: str) -> None:
    """Missing, empty, of another algorithm, malformed and wrong signatures are told apart and all refused."""
    request = push_request(forge, secret=SECRET)
    if value is None:
        result = check(forge, request, SECRET, without=header)
    else:
        result = check(forge, request, SECRET, changed={header: value})
    assert code(result) == expected


def test_a_sha1_signature_alone_is_refused_by_name() -> None:
    """A forge that signs with SHA-1 only is told so, since nothing else would explain the refusal."""
    result = check("github", push_request("github", secret=SECRET), SECRET, without="X-Hub-Signature-256")
    assert isinstance(result, Refused)
    assert result.code == "SIGNATURE_UNSUPPORTED"
    assert "SHA-1" in result.reason


def test_forgejos_own_header_decides() -> None:
    """A wrong or empty X-Forgejo-Signature is not mended by a right X-Gitea-Signature, at either address."""
    request = push_request("forgejo", secret=SECRET)
    for address in ("forgejo", "gitea"):
        assert code(check(address, request, SECRET)) == "VERIFIED"
        assert code(check(address, request, SECRET, without="X-Forgejo-Signature")) == "VERIFIED"
        assert code(check(address, request, SECRET, changed={"X-Forgejo-Signature": ""})) == "SIGNATURE_EMPTY"
        assert code(check(address, request, SECRET, changed={"X-Forgejo-Signature": "0" * 64})) == "SIGNATURE_WRONG"


def test_a_form_is_signed_once() -> None:
    """A form with a second `payload` is refused: the one that was signed might not be the one that is read."""
    request = push_request("gitea", secret=SECRET, form=True)
    doubled = SignedRequest(request.headers, request.body + b"&" + urlencode({"payload": "{}"}).encode())
    assert code(check("gitea", doubled, SECRET)) == "SIGNATURE_WRONG"


def test_an_old_standard_webhook_is_refused() -> None:
    """A signature more than 300 s from our clock, in either direction, is refused, one at the edge is not."""
    request = sign("gitlab", "Push Hook", push_payload("gitlab"), secret=SIGNING_SECRET, now_s=NOW_S)
    assert code(check("gitlab", request, SIGNING_SECRET, now_s=NOW_S + 300)) == "VERIFIED"
    assert code(check("gitlab", request, SIGNING_SECRET, now_s=NOW_S + 301)) == "SIGNATURE_EXPIRED"
    assert code(check("gitlab", request, SIGNING_SECRET, now_s=NOW_S - 301)) == "SIGNATURE_EXPIRED"


STANDARD_WEBHOOKS = [
    ({"webhook-id": "another"}, "SIGNATURE_WRONG"),
    ({"webhook-id": ""}, "SIGNATURE_MISSING"),
    ({"webhook-timestamp": ""}, "SIGNATURE_MISSING"),
    ({"webhook-timestamp": "soon"}, "SIGNATURE_UNSUPPORTED"),
    ({"webhook-timestamp": "9" * 400}, "SIGNATURE_UNSUPPORTED"),
    ({"webhook-signature": ""}, "SIGNATURE_EMPTY"),
    ({"webhook-signature": "v1,"}, "SIGNATURE_WRONG"),
    ({"webhook-signature": "v1,?"}, "SIGNATURE_UNSUPPORTED"),
    ({"webhook-signature": "v1a,AAAA"}, "SIGNATURE_UNSUPPORTED"),
    ({"webhook-signature": "v1,AAAA v2,AAAA"}, "SIGNATURE_WRONG"),
]


@pytest.mark.parametrize(("changed", "expected"), STANDARD_WEBHOOKS)
def test_a_changed_standard_webhook_is_refused(changed: dict[str, str], expected: str) -> None:
    """Id and time are part of what is signed, and entries of unknown versions do not count."""
    request = sign("gitlab", "Push Hook", push_payload("gitlab"), secret=SIGNING_SECRET, now_s=NOW_S)
    changed_request = SignedRequest(request.headers | changed, request.body)
    assert code(check("gitlab", changed_request, SIGNING_SECRET)) == expected


def test_one_of_several_entries_is_enough() -> None:
    """While GitLab rotates its own key it sends several entries; one that is right verifies."""
    request = sign("gitlab", "Push Hook", push_payload("gitlab"), secret=SIGNING_SECRET, now_s=NOW_S)
    several = "v1a,AAAA v1,AAAA " + request.headers["webhook-signature"]
    assert code(check("gitlab", request, SIGNING_SECRET, changed={"webhook-signature": several})) == "VERIFIED"


def test_a_signing_secret_is_no_token() -> None:
    """A signing secret that is sent as X-Gitlab-Token is refused: it must never travel."""
    request = sign("gitlab", "Push Hook", push_payload("gitlab"), secret="plain")
    assert (
        code(check("gitlab", request, SIGNING_SECRET, changed={"X-Gitlab-Token": SIGNING_SECRET}))
        == "SIGNATURE_MISSING"
    )


def test_a_webhook_moves_from_token_to_signature() -> None:
    """With both secrets configured, a delivery that satisfies either is accepted."""
    request = sign("gitlab", "Push Hook", push_payload("gitlab"), secret="plain")
    foreign = "whsec_" + base64.b64encode(b"another key").decode()
    signed = standard_webhook_headers(foreign, "id", int(NOW_S), request.body)
    both = SignedRequest(request.headers | signed, request.body)
    assert check("gitlab", both, SIGNING_SECRET, "plain") == Verified(secret_index=1)
    assert check("gitlab", both, foreign, "plain") == Verified(secret_index=0)


def test_a_secret_of_any_characters_works() -> None:
    """A secret beyond ASCII verifies: forges use its UTF-8 bytes, and servers hand headers over as Latin-1."""
    secret = "pässwört-密"
    assert code(check("github", push_request("github", secret=secret), secret)) == "VERIFIED"
    as_received = secret.encode().decode("latin-1")
    request = push_request("gitlab", secret=secret)
    assert code(check("gitlab", request, secret, changed={"X-Gitlab-Token": as_received})) == "VERIFIED"


ANY_TEXT = st.text(st.characters())
HEADER_NAMES = st.sampled_from(
    [
        "X-Hub-Signature", "X-Hub-Signature-256", "X-Gitea-Signature", "X-Forgejo-Signature", "X-Gitlab-Token",
        "webhook-id", "webhook-timestamp", "webhook-signature",
    ]
)  # fmt: skip
HEADER_VALUES = st.one_of(
    ANY_TEXT,
    st.from_regex(r"(sha256=|v1,)?[0-9a-f]{64}", fullmatch=True),
    st.from_regex(r"(v1,[A-Za-z0-9+/=]{0,44} ?)+", fullmatch=True),
    st.just(str(int(NOW_S))),
)


@given(
    forge=st.sampled_from(sorted(FORGES)),
    headers=st.dictionaries(HEADER_NAMES, HEADER_VALUES),
    raw=st.binary(),
    content_type=st.one_of(
        st.none(), ANY_TEXT, st.sampled_from(["application/json", "application/x-www-form-urlencoded"])
    ),
    secret=st.one_of(ANY_TEXT, st.just(SIGNING_SECRET)),
)
def test_nothing_forged_verifies_and_nothing_raises(
    forge: str, headers: dict[str, str], raw: bytes, content_type: str | None, secret: str
) -> None:
    """Whatever is sent by someone without the secret is refused, and no reason gives the secret away."""
    result = FORGES[forge].verify(headers, raw, content_type, [secret], now_s=NOW_S)
    if headers.get("X-Gitlab-Token") == secret:
        return
    assert isinstance(result, Refused)
    if len(secret) > 8:
        assert secret not in result.reason


def test_reasons_hold_no_digest() -> None:
    """A refusal never helps to forge the next delivery: it names neither the given nor the expected signature."""
    for forge in sorted(FORGES):
        request = push_request(forge, secret="old")
        result = check(forge, request, "new-secret-of-ours")
        right = push_request(forge, secret="new-secret-of-ours").headers
        assert isinstance(result, Refused)
        told = json.dumps([result.code, result.reason])
        for value in [*request.headers.values(), *right.values(), "new-secret-of-ours"]:
            assert len(value) < 20 or value not in told
