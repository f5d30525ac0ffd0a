"""The log of a job as a reader meets it: colours, folding, links, search, keys, and hostile text."""

import json
import re
import shlex

import pytest
from axe_playwright_python.async_playwright import Axe
from playwright.async_api import Browser, Page, expect

from tests.browser.injection import CORPUS
from tests.browser.jobs import COLOURS, open_job, step, text
from tests.browser.tabs import Theme, open_tab, take_picture
from tests.e2e.site import Site, pipeline


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.slow
async def test_colours_can_be_read(chromium: Browser, site: Site, theme: Theme) -> None:
    """Every colour that a program can ask for has a contrast of 4.5 in both themes, and axe finds nothing grave."""
    palette = "".join(f"printf '\\033[{code}mcolour {code}\\033[0m\\n'\n" for code in (*range(30, 38), *range(90, 98)))
    blocks = "".join(
        f"printf '\\033[37;{code}mblock {code}\\033[0m\\n'\n" for code in (*range(40, 48), *range(100, 108))
    )
    job_id = await site.build(pipeline(COLOURS + palette + blocks + "echo to stderr >&2\nexit 1"))
    await site.ended(job_id)
    async with open_tab(chromium, site, theme=theme, height=1400) as page:
        await open_job(page, job_id, "#L6-L60")  # chosen lines have another ground
        await expect(text(page, "block 107")).to_be_visible()
        worst = await page.evaluate(
            """async () => {
                const main = document.querySelector('script[type=module]').src;
                const m = await import(new URL('./job/colours.js', main));
                const canvas = new OffscreenCanvas(1, 1).getContext('2d', {willReadFrequently: true});
                const rgb = (css) => { // any notation, as bytes
                    canvas.clearRect(0, 0, 1, 1); canvas.fillStyle = css; canvas.fillRect(0, 0, 1, 1);
                    return [...canvas.getImageData(0, 0, 1, 1).data];
                };
                const panel = rgb(getComputedStyle(document.querySelector('.log')).backgroundColor).slice(0, 3);
                const shown = document.querySelectorAll('.log-text span, .log-text, .log-n, .log-took');
                const found = [...shown].map((one) => {
                    const style = getComputedStyle(one);
                    const ground = rgb(style.backgroundColor);
                    const on = ground[3] === 0 ? panel : ground.slice(0, 3);
                    return [m.contrast(rgb(style.color).slice(0, 3), on), one.textContent];
                });
                const known = Object.values(m.SURFACES).some((surface) => surface.join() === panel.join());
                return {known, worst: found.sort(([a], [b]) => a - b)[0], count: found.length};
            }"""
        )
        assert worst["known"], "colours.js has another surface than css/base.css"
        assert worst["count"] > 60
        assert worst["worst"][0] >= 4.5, worst
        grave = [
            one for one in (await Axe().run(page)).response["violations"] if one["impact"] in ("serious", "critical")
        ]
        assert not grave, json.dumps(grave)[:2000]
        await take_picture(page, f"job-colours-{theme}")


async def test_links_to_lines(site: Site, page: Page) -> None:
    """A line and a range have an address that survives a reload; the step that hides them opens."""
    job_id = await site.build(
        pipeline({"name": "long", "run": "seq -f 'line %g' 1 400"}, {"name": "last", "run": "exit 1"})
    )
    await site.ended(job_id)
    await open_job(page, job_id)
    await step(page, "long").click()
    number = page.locator(".log-n")
    await page.locator(".log-pane").evaluate("pane => { pane.scrollTop = 0 }")
    await number.filter(has_text=re.compile("^12$")).click()
    await expect(page).to_have_url(re.compile("#L12$"))
    await number.filter(has_text=re.compile("^15$")).click(modifiers=["Shift"])
    await expect(page).to_have_url(re.compile("#L12-L15$"))
    await number.filter(has_text=re.compile("^10$")).click(modifiers=["Shift"])
    await expect(page).to_have_url(re.compile("#L10-L12$"))
    await expect(page.locator(".log-row.chosen")).to_have_count(3)
    chosen = page.get_by_role("group", name="Chosen lines")
    await chosen.get_by_role("button", name="Text").click()
    await expect(page.get_by_text("The lines were copied.")).to_be_visible()
    copied = await page.evaluate("navigator.clipboard.readText()")
    assert re.fullmatch(r"(line \d+\n){3}", copied), copied
    await page.goto("about:blank")
    await open_job(page, job_id, "#L200-L202")
    row = page.locator(".log-row.chosen")
    await expect(row).to_have_count(3)
    await expect(row.first).to_be_in_viewport()
    await expect(step(page, "last")).to_have_count(0)  # far below
    here = await row.first.bounding_box()
    await page.reload()
    await expect(row.first).to_be_in_viewport()
    assert await row.first.bounding_box() == here
    await page.keyboard.press("c")
    await expect(page.get_by_text("The link was copied.")).to_be_visible()
    assert (await page.evaluate("navigator.clipboard.readText()")).endswith(f"/ui/jobs/{job_id}#L200-L202")
    await page.get_by_role("button", name="Choose no lines").click()
    await expect(page).to_have_url(re.compile(f"{job_id}$"))
    await expect(row).to_have_count(0)


async def test_search(site: Site, page: Page) -> None:
    """All lines are searched, also folded and distant ones; hits are counted, n and p go round, Escape forgets."""
    script = "seq -f 'line %g' 1 300; printf 'nee\\033[31mdle\\033[0m one\\n'; seq -f 'line %g' 1 300; echo Needle two"
    job_id = await site.build(pipeline({"name": "hay", "run": script}, {"name": "last", "run": "echo done; exit 1"}))
    await site.ended(job_id)
    await open_job(page, job_id)
    count, current = page.locator(".log-count"), page.locator(".log-row.current")
    await page.keyboard.press("/")
    await page.keyboard.type("needle")
    await expect(count).to_have_text("1/2")
    await expect(current).to_contain_text("needle one")
    await expect(current).to_be_in_viewport()
    await expect(current.locator("mark")).to_have_text(["nee", "dle"])
    await page.keyboard.press("Enter")
    await expect(current).to_contain_text("Needle two")
    await page.keyboard.press("Shift+Enter")
    await expect(current).to_contain_text("needle one")
    await page.locator(".log-pane").focus()
    await page.keyboard.press("n")
    await expect(count).to_have_text("2/2")
    await page.keyboard.press("n")
    await expect(count).to_have_text("1/2")
    await page.keyboard.press("p")
    await expect(current).to_contain_text("Needle two")
    await page.keyboard.press("/")
    await page.keyboard.type("Needle")
    await expect(count).to_have_text("1/1")
    await page.locator(".log-query").fill("no such words")
    await expect(count).to_have_text("0/0")
    await page.locator(".log-query").press("Escape")
    await expect(count).to_have_text("")
    await expect(page.locator(".log-row mark")).to_have_count(0)


@pytest.mark.slow
async def test_times_wrapping_and_copies(site: Site, page: Page) -> None:
    """Times are shown in two ways, lines wrapped or not, the log downloaded, a command copied without a token."""
    job_id = await site.build(pipeline("echo " + "word " * 200 + "end", "printf '\\033[31mred\\033[0m\\n'"))
    await site.ended(job_id)
    await open_job(page, job_id)
    await page.keyboard.press("t")
    await expect(page.locator(".log-time").last).to_have_text(re.compile(r"^\d\d:\d\d:\d\d\.\d{3}$"))
    await page.keyboard.press("t")
    await expect(page.locator(".log-time").last).to_have_text(re.compile(r"^\+\d+:\d\d\.\d{3}$"))
    await page.keyboard.press("t")
    await expect(page.locator(".log-time")).to_have_count(0)
    await step(page, "step 0").click()
    long = text(page, "word word").first
    await expect(long).to_be_in_viewport()
    wrapped = await long.bounding_box()
    await page.keyboard.press("w")
    await expect(page.locator(".log-pane")).not_to_have_class(re.compile("wraps"))
    await expect(long).to_be_in_viewport()
    unwrapped = await long.bounding_box()
    assert wrapped is not None
    assert unwrapped is not None
    assert wrapped["height"] > 2 * unwrapped["height"]
    await page.keyboard.press("w")
    await page.get_by_role("button", name="Copy curl").click()
    await expect(page.get_by_text("takes its token from")).to_be_visible()
    command = await page.evaluate("navigator.clipboard.readText()")
    assert "$SLIPWAY_TOKEN" in command
    assert f"/jobs/{job_id}/logs" in command
    async with page.expect_download() as download:
        await page.get_by_role("link", name="Raw").click()
    stored = (await (await download.value).path()).read_text()
    assert stored == await site.text(job_id)
    assert "red\n" in stored


async def test_keyboard_alone(site: Site, page: Page) -> None:
    """Everything in the log is done by keys: steps, folding, following, searching, choosing a line; `?` lists them."""
    steps = [{"name": f"part {n}", "run": f"seq -f 'part {n} line %g' 1 60"} for n in range(4)]
    job_id = await site.build(pipeline(*steps))
    await site.ended(job_id)
    await open_job(page, job_id)
    await page.keyboard.press("[")
    focused = page.locator(".log-head:focus")
    await expect(focused).to_contain_text("part")
    for _ in range(6):
        await page.keyboard.press("[")
    await expect(focused).to_contain_text("clone")
    await page.keyboard.press("]")
    await expect(focused).to_contain_text("part 0")
    await page.keyboard.press("Enter")
    await expect(focused).to_have_attribute("aria-expanded", "true")
    await expect(text(page, "part 0 line 5").first).to_be_visible()
    await page.keyboard.press("Enter")
    await expect(focused).to_have_attribute("aria-expanded", "false")
    await page.keyboard.press("f")
    await expect(text(page, "part 3 line 60")).to_be_in_viewport()
    await page.keyboard.press("?")
    sheet = page.get_by_role("dialog")
    for words in ("Follow the end", "Next hit", "Next step", "Wrap long lines", "Copy a link to the line"):
        await expect(sheet).to_contain_text(words)
    await page.keyboard.press("?")
    await page.keyboard.press("c")
    await expect(page).to_have_url(re.compile(r"#L\d+$"))
    await page.keyboard.press("z")
    await expect(page.locator(".log-head[aria-expanded=true]")).to_have_count(0)
    await page.keyboard.press("o")
    await expect(page.locator(".log-head[aria-expanded=false]")).to_have_count(0)


async def test_hostile_lines_are_text(site: Site, page: Page) -> None:
    """Lines, step names and commit messages that try to be markup or script are shown letter by letter."""
    lines = "".join(f"printf '%s\\n' {shlex.quote(one)}\n" for one in CORPUS)
    groups = "".join(f"printf '::group::%s\\n::endgroup::\\n' {shlex.quote(one)}\n" for one in CORPUS)
    steps = [{"name": one, "run": "true"} for one in CORPUS if one.isprintable()]  # a pipeline refuses others
    job_id = await site.build(pipeline(*steps, {"name": "last", "run": lines + groups + "exit 1"}))
    await site.ended(job_id)
    await open_job(page, job_id)
    for one in CORPUS:
        await page.locator(".log-query").fill(one)
        await expect(page.locator(".log-count")).to_have_text(re.compile(r"^\d+/[2-9]$"))
        await expect(page.locator(".log-row.current")).to_contain_text(one.replace("\u202e", r"\u202e"))
    await page.keyboard.press("Escape")
    await page.keyboard.press("o")
    await take_picture(page, "job-hostile-light")
    assert await page.locator("main script, main img, main iframe, main [onerror], main [onload]").count() == 0
