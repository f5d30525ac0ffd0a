"""Signatures explained: each usual mistake is named, and no answer holds a secret or an expected value."""

import json
from collections.abc import Callable
from urllib.parse import urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.builds.forges import FORGES, Explanation, KnownSecret, explain
from tests.builds.forges import payloads
from tests.builds.forges.payloads import SignedRequest, push_request

SECRET = "the-right-secret-1234"
OURS = [KnownSecret("secret 0a of acme/app", SECRET)]
OTHERS = [KnownSecret("GITHUB_WEBHOOK_SECRET", "global-secret-5678")]
NOW_S = 1_790_000_000.0


def explained(forge: str, request: SignedRequest, secrets: list[KnownSecret] = OURS) -> Explanation:
    kind = request.headers.get("Content-Type")
    return explain(FORGES[forge], request.headers, request.body, kind, secrets, others=OTHERS, now_s=NOW_S)


def facts(explanation: Explanation) -> dict[str, bool]:
    return {check.name: check.ok for check in explanation.checks}


def changed(request: SignedRequest, change: Callable[[bytes], bytes], **headers: str) -> SignedRequest:
    return SignedRequest({**request.headers, **headers}, change(request.body))


@pytest.mark.parametrize("forge", payloads.FORGES)
def test_a_good_signature_is_told_with_its_secret(forge: str) -> None:
    """A delivery that is in order passes all steps, and the last names the secret without showing it."""
    found = explained(forge, push_request(forge, secret=SECRET))
    assert found.verdict == "VERIFIED"
    assert all(check.ok for check in found.checks)
    assert found.checks[-1].message == "The signature was made with secret 0a of acme/app"


@pytest.mark.parametrize("forge", payloads.FORGES)
def test_no_secret_and_no_signature(forge: str) -> None:
    """What is missing is named, and nothing is said about steps behind it."""
    request = push_request(forge, secret=SECRET)
    assert facts(explained(forge, request, [])) == {"secret": False}
    bare = SignedRequest({"Content-Type": "application/json"}, request.body)
    found = explained(forge, bare)
    assert (found.verdict, facts(found)) == ("SIGNATURE_MISSING", {"secret": True, "header": False})


@pytest.mark.parametrize(
    ("value", "says"),
    [
        ("sha256=" + "0" * 40, "40 hexadecimal digits, as a SHA-1 has"),
        ("sha256=" + "0" * 63, "63 hexadecimal digits; a SHA-256 has 64"),
        ("sha256=" + "z" * 64, "64 of which are no hexadecimal digits"),
        ("0" * 64, "64 hexadecimal digits"),
    ],
)
def test_a_malformed_signature(value: str, says: str) -> None:
    """The form step fails, and the length says what it looks like."""
    request = push_request("github", secret=SECRET)
    found = explained("github", changed(request, bytes, **{"X-Hub-Signature-256": value}))
    assert found.verdict == "SIGNATURE_UNSUPPORTED"
    assert facts(found)["form"] is False
    assert says in found.checks[-1].message


def test_another_secret_of_ours() -> None:
    """A delivery signed with a secret that counts elsewhere is told so."""
    found = explained("github", push_request("github", secret="global-secret-5678"))
    assert (found.verdict, facts(found)["other_secret"]) == ("SIGNATURE_WRONG", False)
    assert "GITHUB_WEBHOOK_SECRET" in found.checks[-1].message


@pytest.mark.parametrize("wrong", [f"{SECRET}\n", f"{SECRET} ", f'"{SECRET}"'])
def test_a_secret_that_was_pasted_with_something_more(wrong: str) -> None:
    """A line end, a space or quotes that came along into the forge's form are found."""
    assert facts(explained("github", push_request("github", secret=wrong)))["secret_whitespace"] is False


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda body: body + b"\n", "without the line end"),
        (lambda body: json.dumps(json.loads(body), separators=(",", ":")).encode(), "a space behind each comma"),
        (lambda body: json.dumps(json.loads(body), indent=2).encode(), "a space behind each comma"),
        (lambda body: b"\xef\xbb\xbf" + body, "byte order mark"),
    ],
)
@pytest.mark.parametrize("forge", ["github", "gitea", "forgejo"])
def test_a_body_that_was_written_anew(forge: str, change: Callable[[bytes], bytes], says: str) -> None:
    """What proxies and copying do to a body is found: the secret is right then."""
    found = explained(forge, changed(push_request(forge, secret=SECRET), change))
    assert found.verdict == "SIGNATURE_WRONG"
    assert found.checks[-1].name == "body"
    assert not found.checks[-1].ok
    assert says in found.checks[-1].message


def test_a_form_in_place_of_json_and_the_other_way_round() -> None:
    """GitHub signs a form as it is; one that was turned into JSON, or JSON that became a form, is told."""
    plain = push_request("github", secret=SECRET)
    as_form = urlencode({"payload": plain.body.decode()}).encode()
    sent = SignedRequest({**plain.headers, "Content-Type": "application/x-www-form-urlencoded"}, as_form)
    assert "the JSON inside of the form" in explained("github", sent).checks[-1].message
    form = push_request("github", secret=SECRET, form=True)
    unpacked = SignedRequest({**form.headers, "Content-Type": "application/json"}, plain.body)
    assert "a form that holds this JSON" in explained("github", unpacked).checks[-1].message


def test_nothing_explains_it() -> None:
    """After a wrong secret of nobody's, three guesses are told that explain nothing."""
    found = explained("github", push_request("github", secret="something else"))
    guesses = {"other_secret": True, "secret_whitespace": True, "body": True}
    assert facts(found) == {"secret": True, "header": True, "form": True, "time": True, "signature": False, **guesses}


@pytest.mark.parametrize("forge", payloads.FORGES)
@pytest.mark.parametrize("secret", [SECRET, "global-secret-5678", "something else", f"{SECRET}\n"])
def test_no_secret_leaks(forge: str, secret: str) -> None:
    """No answer holds a secret, or a signature."""
    request = push_request(forge, secret=secret)
    said = repr(explained(forge, request))
    values = [SECRET, "global-secret-5678", "something else"]
    values += [value for name, value in request.headers.items() if "signature" in name.lower()]
    assert [value for value in values if value.removeprefix("sha256=") in said] == []


@given(st.sampled_from(payloads.FORGES), st.dictionaries(st.text(), st.text()), st.binary(), st.none() | st.text())
def test_it_never_raises(forge: str, headers: dict[str, str], raw: bytes, kind: str | None) -> None:
    """Whatever was pasted, there is an answer."""
    explain(FORGES[forge], headers, raw, kind, OURS, others=OTHERS, now_s=NOW_S)


@given(st.sampled_from(["x-hub-signature-256", "x-gitea-signature", "webhook-signature"]), st.text(), st.binary())
def test_it_never_raises_on_signatures(header: str, value: str, raw: bytes) -> None:
    """Neither does it on headers of the right name, with bodies that are no JSON."""
    for signature in (value, f"sha256={'0' * 64}", "0" * 64):
        for kind in ("application/json", "application/x-www-form-urlencoded"):
            for forge in FORGES.values():
                explain(forge, {header: signature}, raw, kind, OURS, others=OTHERS, now_s=NOW_S)
