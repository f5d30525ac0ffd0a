"""Sign in, up and out."""

import re

from playwright.async_api import Browser, Page, expect

from tests.browser.tabs import ADMIN, open_tab
from tests.e2e.site import Site


async def test_sign_in_and_out(visitor: Page) -> None:
    """A person signs in where they wanted to go, and signs out for good."""
    await visitor.goto("/ui/queue?x=1")
    await expect(visitor).to_have_url(re.compile(r"/ui/signin\?next="))
    await visitor.get_by_label("User name or e-mail").fill(ADMIN["username"])
    await visitor.get_by_label("Password").fill(ADMIN["password"])
    await visitor.keyboard.press("Enter")
    await expect(visitor).to_have_url(re.compile(r"/ui/queue\?x=1$"))
    await visitor.goto("/ui/account")
    await visitor.get_by_role("main").get_by_role("button", name="Sign out").click()
    await expect(visitor.get_by_role("heading", level=1)).to_have_text("Sign in")
    await visitor.goto("/ui/account")
    await expect(visitor.get_by_role("heading", level=1)).to_have_text("Sign in")


async def test_a_wrong_password_says_so(visitor: Page) -> None:
    """A refused sign-in stays on the form, says what is wrong, and can be mended."""
    await visitor.goto("/ui/signin")
    await visitor.get_by_label("User name or e-mail").fill(ADMIN["username"])
    await visitor.get_by_label("Password").fill("not the password")
    await visitor.get_by_role("button", name="Sign in").click()
    await expect(visitor.get_by_role("alert").filter(has_text="password")).to_be_visible()
    await visitor.get_by_label("Password").fill(ADMIN["password"])
    await visitor.get_by_role("button", name="Sign in").click()
    await expect(visitor).to_have_title("Jobs · Slipway")


async def test_nobody_is_sent_elsewhere(visitor: Page) -> None:
    """A forged link to the sign-in form leads to our own page afterwards."""
    for target in ("https://evil.example/ui", "//evil.example/ui", "javascript:alert(1)", "/ui/../..//evil.example"):
        await visitor.goto("/ui/signin")
        there = await visitor.evaluate(
            """async (next) => (await import(document.querySelector('script[type=module]').src
                .replace('main.js', 'views/signin.js'))).safeNext(next)""",
            target,
        )
        assert re.fullmatch(r"/(?!/).*", there), (target, there)


async def test_sign_up(visitor: Page) -> None:
    """A stranger makes an account and is signed in; a weak password is refused beside its field."""
    await visitor.goto("/ui/signin")
    await visitor.get_by_role("link", name="Make an account").click()
    await expect(visitor.get_by_role("heading", level=1)).to_have_text("Make an account")  # both forms have a password
    await visitor.get_by_label("E-mail").fill("grace@example.org")
    await visitor.get_by_label("Password").fill("short")
    await visitor.get_by_role("button", name="Make the account").click()
    await expect(visitor.get_by_label("Password")).to_be_focused()
    await expect(visitor.get_by_label("Password")).to_have_attribute("aria-invalid", "true")
    await visitor.get_by_label("Password").fill("a compiler of her own")
    await visitor.get_by_role("button", name="Make the account").click()
    await expect(visitor).to_have_title("Jobs · Slipway")
    await expect(visitor.get_by_text("Signed in as grace")).to_be_visible()
    await expect(visitor.get_by_role("link", name="Audit log")).to_have_count(0)


async def test_a_session_that_ended_elsewhere(page: Page) -> None:
    """When the session is over, the next thing a person does asks them to sign in, and brings them back."""
    await page.goto("/ui/account")
    await page.get_by_role("heading", level=1).wait_for()
    await page.context.clear_cookies()
    await page.get_by_role("link", name="API keys").click()
    await expect(page.get_by_role("heading", level=1)).to_have_text("Sign in")
    await page.get_by_label("User name or e-mail").fill(ADMIN["username"])
    await page.get_by_label("Password").fill(ADMIN["password"])
    await page.get_by_role("button", name="Sign in").click()
    await expect(page).to_have_title("API keys · Slipway")


async def test_a_second_tab_signs_in_anew(page: Page) -> None:
    """A tab whose session was replaced by another tab's goes on with the new one's CSRF token by itself."""
    await page.goto("/ui/keys")
    await page.get_by_role("heading", level=1).wait_for()
    await page.context.request.post("/api/auth/login", data=dict(ADMIN))
    await page.get_by_label("Name").fill("of the second session")
    await page.get_by_role("button", name="Make the key").click()
    await expect(page.get_by_text("It is shown only now")).to_be_visible()


async def test_change_the_password(chromium: Browser, site: Site) -> None:
    """A person changes their password and stays signed in; the new one counts from then on."""
    person = {"email": "joan@example.org", "username": "joan", "password": "eleven characters"}
    answer = await site.client.post("/api/auth/register", json=person)
    assert answer.status_code == 201, answer.text
    async with open_tab(chromium, site, person={"username": "joan", "password": "eleven characters"}) as page:
        await page.goto("/ui/account")
        await page.get_by_label("Present password").fill("wrong")
        await page.get_by_label("New password").fill("twelve characters")
        await page.get_by_role("button", name="Change the password").click()
        await expect(page.get_by_role("alert").filter(has_text=re.compile("password", re.IGNORECASE))).to_be_visible()
        await page.get_by_label("Present password").fill("eleven characters")
        await page.get_by_label("New password").fill("twelve characters")
        await page.get_by_role("button", name="Change the password").click()
        await expect(page.get_by_text("The password is changed.")).to_be_visible()
        await page.reload()
        await expect(page).to_have_title("Account · Slipway")
    async with open_tab(chromium, site, person={"username": "joan", "password": "twelve characters"}) as page:
        await page.goto("/ui/jobs")
        await expect(page).to_have_title("Jobs · Slipway")
