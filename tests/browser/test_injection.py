"""Text from outside stays text: names, branches and messages that try to become markup or script."""

from playwright.async_api import Page, expect

from tests.browser.injection import CORPUS, shown
from tests.browser.views import register
from tests.e2e.site import Site, pipeline


async def test_branches_and_repositories(page: Page, site: Site) -> None:
    """Hostile names of branches and repositories are shown letter by letter, and do nothing."""
    repository, head = site.repository(pipeline("true"))
    for number, text in enumerate(CORPUS):
        branch = text.replace(" ", "+")
        # Forges allow hardly any of it in names; what signs a delivery may send all of it.
        await site.push(repository, head, branch=branch, message=text, delivery=f"{repository.name}-{number}")
    await page.goto(f"/ui/jobs?repo=acme/{repository.name}")
    for text in CORPUS:
        branch = shown(text).replace(" ", "+")
        await expect(page.locator(".fact").get_by_text(branch, exact=True)).to_have_count(1)
    assert await page.locator("main script, main img, main [onerror], main [onload], main iframe").count() == 0


async def test_registered_names(page: Page, site: Site) -> None:
    """A repository may be called what it wants; its page shows that, and its links lead nowhere strange."""
    name = "acme/<img/src=x/onerror=alert(1)>"
    made = await register(site, name, "https://git.example/acme/x.git")
    await page.goto("/ui/repositories")
    await expect(page.get_by_role("link", name=name)).to_be_visible()
    await page.goto(f"/ui/repositories/{made['uid']}")
    await expect(page.get_by_role("heading", level=1)).to_have_text(name)
    assert await page.title() == f"{name} · Slipway"


async def test_addresses_and_parameters(page: Page) -> None:
    """What stands in the page's own address is text too."""
    for text in CORPUS:
        await page.goto(f"/ui/jobs?branch={text}&repo={text}&status={text}#{text}")
        await expect(page.get_by_role("main")).to_be_visible()
    await page.goto("/ui/repositories/%3Cimg%20src=x%20onerror=alert(1)%3E")
    await expect(page.get_by_role("heading", level=1)).to_have_text("Not found")


async def test_elements_refuse_what_could_run(page: Page) -> None:
    """The page's own way to make elements takes no markup, inline handler, style or script address."""
    await page.goto("/ui/jobs")
    found = await page.evaluate(
        """async () => {
          const main = document.querySelector("script[type=module]").src;
          const { h } = await import(main.replace("main.js", "core/html.js"));
          const refused = (make) => { try { make(); return false; } catch { return true; } };
          const text = '<b>bold</b>';
          return {
            text: h('p', {}, text).children.length === 0 && h('p', {}, text).textContent === text,
            handler: refused(() => h('a', { onclick: 'alert(1)' })),
            style: refused(() => h('a', { style: 'color:red' })),
            html: refused(() => h('a', { innerHTML: text })),
            frame: refused(() => h('iframe', { srcdoc: text })),
            script: refused(() => h('script', {}, 'alert(1)')),
            links: ['javascript:alert(1)', ' JaVaScRiPt:alert(1)', 'data:text/html,x', 'vbscript:x', 'blob:x']
              .every((href) => !h('a', { href }).hasAttribute('href')),
            ours: h('a', { href: '/ui/jobs' }).getAttribute('href') === '/ui/jobs',
          };
        }"""
    )
    assert all(found.values()), found
