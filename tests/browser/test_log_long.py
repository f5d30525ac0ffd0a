"""A log of 100,000 lines: its numbers, printed. Nothing is asserted about time; memory has a bound that is promised."""

import re
from pathlib import Path
from typing import Any, Final

import pytest
from playwright.async_api import Browser, Page, expect

from tests.browser.jobs import text
from tests.browser.tabs import open_tab
from tests.e2e.site import Site, pipeline
from tests.measures import Measured

LINES: Final = 100_000
TAB_MAX_MB: Final = 200
_WATCH = """() => {
    window.longTasks = [];
    new PerformanceObserver((list) => window.longTasks.push(...list.getEntries().map((one) => one.duration)))
        .observe({type: 'longtask', buffered: true});
}"""
_SCROLL = """async () => {
    const pane = document.querySelector('.log-pane');
    const frames = [];
    const begun = performance.now();
    for (let last = begun, step = -2000; last - begun < 3000;) {
        pane.scrollTop += step;
        if (pane.scrollTop === 0) step = 2000;
        await new Promise(requestAnimationFrame);
        const now = performance.now();
        frames.push(now - last);
        last = now;
    }
    frames.sort((a, b) => a - b);
    return {p50: frames[frames.length >> 1], p99: frames[Math.floor(frames.length * 0.99)]};
}"""


@pytest.mark.slow
@pytest.mark.parametrize("wraps", [True, False])
async def test_a_hundred_thousand_lines(chromium: Browser, site: Site, measured: Measured, wraps: bool) -> None:
    """The end is on the screen at once, scrolling and searching stay smooth, and the tab stays under 200 MB."""
    line = "the quick brown fox jumps over the lazy dog and makes a line as long as most, about a hundred"
    script = f"seq 1 {LINES} | sed 's/$/ \\x1b[32mok\\x1b[0m {line}/'; echo the very end; exit 1"
    job_id = await site.build(pipeline({"name": "long", "run": script}))
    await site.ended(job_id)
    name = f"100,000 lines, {'wrapped' if wraps else 'not wrapped'}"
    async with open_tab(chromium, site) as page:
        await page.add_init_script(f"({_WATCH})()")
        await page.goto("/ui/jobs")  # the page's files are there, as they are for everybody but the first time
        await page.goto(f"/ui/jobs/{job_id}", wait_until="commit")
        await expect(text(page, "the very end")).to_be_visible()
        measured(f"{name}: its end is visible", await page.evaluate("performance.now()"), "ms")
        await expect(page.locator(".log-foot .number")).to_have_text("100,009 lines", timeout=60_000)
        measured(f"{name}: all is there", await page.evaluate("performance.now()"), "ms")
        await note_long_tasks(page, measured, f"{name}: longest task while it comes")
        if not wraps:
            await page.keyboard.press("w")
        frames = await page.evaluate(_SCROLL)
        measured(f"{name}: a frame while scrolling, p50", frames["p50"], "ms")
        measured(f"{name}: a frame while scrolling, p99", frames["p99"], "ms")
        await note_long_tasks(page, measured, f"{name}: longest task while scrolling")
        await page.keyboard.press("/")
        await page.locator(".log-query").fill("1 ok the")
        await expect(page.locator(".log-count")).to_have_text(re.compile("/10000$"))
        await note_long_tasks(page, measured, f"{name}: longest task while searching")
        heap = await page.evaluate("performance.memory.usedJSHeapSize / 1e6")
        measured(f"{name}: script memory", heap, "MB")
        tab = await tab_bytes(chromium) / 1e6
        measured(f"{name}: memory of the tab's process alone", tab, "MB")
        assert tab < TAB_MAX_MB


async def note_long_tasks(page: Page, measured: Measured, name: str) -> None:
    tasks: list[float] = await page.evaluate("window.longTasks.splice(0)")
    measured(name, max(tasks, default=0.0), "ms")


async def tab_bytes(chromium: Browser) -> int:
    """What the largest of the browser's page processes has for itself: private pages (smaps_rollup of proc(5))."""
    session = await chromium.new_browser_cdp_session()
    found: dict[str, Any] = await session.send("SystemInfo.getProcessInfo")
    await session.detach()
    pages = [one["id"] for one in found["processInfo"] if one["type"] == "renderer"]
    return max(private_bytes(pid) for pid in pages)


def private_bytes(pid: int) -> int:
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    return sum(int(line.split()[1]) * 1024 for line in lines if line.startswith("Private_"))
