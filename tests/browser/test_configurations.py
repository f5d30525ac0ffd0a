"""Configurations on the page: write a recipe, see what it comes to, save it, go back, build it."""

import asyncio
import re
from pathlib import Path
from typing import Any, Final, get_args

import pytest
from playwright.async_api import Browser, Locator, Page, Route, expect

from services.builds.schemas.recipes import DEFAULT_FEDORA_VERSION, DEFAULT_IMAGE_TYPE, ImageType
from services.gateway import ui
from tests.browser.injection import CORPUS, shown
from tests.browser.tabs import open_tab, take_picture
from tests.browser.views import post
from tests.e2e.site import Site

RECIPE: Final = """\
name: demo
description: A small image
modules:
  - type: script
    scripts:
      - echo "kept" > /etc/motd
  - type: script
    condition: image-type == "fedora-kinoite"
    scripts:
      - echo "dropped"
"""


async def test_write_and_save(page: Page, site: Site) -> None:
    """What is wrong stands beside its line as one types, the Containerfile beside the recipe; then it is saved."""
    await page.goto("/ui/configurations/new")
    await expect(page.get_by_text("Valid", exact=True)).to_be_visible()
    await _write(page, RECIPE.replace("  - type: script\n    cond", "  - cond"))
    problem = page.get_by_role("list", name="Problems").get_by_role("button", name="missing 'type' field")
    await expect(problem).to_contain_text("Error")
    await expect(page.locator(".editor-mark.error")).to_have_text("\N{MULTIPLICATION SIGN} 7")
    await problem.click()
    await expect(_recipe(page)).to_be_focused()
    assert await _line(page) == 7

    await _write(page, RECIPE)
    await expect(page.get_by_text("Valid", exact=True)).to_be_visible()
    await expect(page.get_by_role("region", name="Containerfile")).to_contain_text("kept")
    await page.get_by_label("Image type").select_option("fedora-bootc")
    await page.get_by_role("radio", name="Modules").check()
    modules = page.get_by_role("list", name="Modules").get_by_role("listitem")
    await expect(modules.nth(1)).to_contain_text("Dropped")
    await expect(modules.nth(1)).to_contain_text("fedora-kinoite")
    await page.get_by_label("Name", exact=True).fill("written-here")
    await _recipe(page).focus()
    await page.keyboard.press("Control+s")
    await expect(page).to_have_url(re.compile(r"/ui/configurations/\d+$"))
    await expect(page.get_by_role("heading", level=1)).to_have_text("written-here")
    await page.get_by_role("link", name="Configurations").first.click()
    await expect(page.get_by_role("listitem").filter(has_text="written-here")).to_contain_text("fedora-bootc")


async def test_somebody_else_saved_meanwhile(page: Page, site: Site) -> None:
    """A save over somebody else's is not made; the page shows what they changed, and both ways to go on."""
    made = await _save(site, "contested")
    await page.goto(f"/ui/configurations/{made['id']}")
    await expect(_recipe(page)).to_have_value(RECIPE)
    await _change(site, made, "description: A small image", "description: Theirs")
    await _write(page, RECIPE.replace("A small image", "Mine"))
    await page.get_by_role("button", name="Save", exact=True).click()
    conflict = page.get_by_role("alert").filter(has_text="Version 2 was saved")
    await conflict.get_by_text("What they changed").click()
    await expect(conflict.get_by_role("region")).to_contain_text("+description: Theirs")
    await take_picture(page, "conflict-light")
    await conflict.get_by_role("button", name="Save mine as the newest").click()
    await expect(page.get_by_text("Saved as version 3.")).to_be_visible()
    await expect(conflict).to_have_count(0)

    await _change(site, made, "description: A small image", "description: Theirs again")
    await _write(page, RECIPE.replace("A small image", "Mine again"))
    await page.get_by_role("button", name="Save", exact=True).click()
    await page.get_by_role("button", name="Take theirs").click()
    await page.get_by_role("button", name="Yes, take theirs").click()
    await expect(_recipe(page)).to_have_value(re.compile("Theirs again"))
    await expect(page.get_by_text("changes not saved")).to_have_count(0)


async def test_go_back_to_a_version(page: Page, site: Site) -> None:
    """Each save is a version; two are compared line by line, and an old one becomes the newest again."""
    made = await _save(site, "with-versions")
    await _change(site, made, '"kept"', '"changed"')
    await page.goto(f"/ui/configurations/{made['id']}")
    versions = page.get_by_role("list", name="Versions").get_by_role("listitem")
    await expect(versions).to_have_count(2)
    await versions.nth(0).get_by_role("button", name="What it changed").click()
    diff = page.get_by_role("region", name="Version 1 to version 2").locator("pre")
    await expect(diff.locator(".diff-removed")).to_contain_text('- echo "kept"')
    await expect(diff.locator(".diff-added")).to_contain_text('- echo "changed"')
    await versions.nth(1).get_by_role("button", name="Go back to it").click()
    await versions.nth(1).get_by_role("button", name="Yes, go back").click()
    await expect(versions).to_have_count(3)
    await expect(versions.nth(0)).to_contain_text("went back to version 1")
    await expect(_recipe(page)).to_have_value(RECIPE)


@pytest.mark.slow
async def test_the_keys_of_the_editor(page: Page, site: Site) -> None:
    """Tab indents one line or many, Shift takes back, Enter keeps the indent, undo works, and Escape lets one out."""
    await page.goto("/ui/configurations/new")
    keys, recipe = page.keyboard, _recipe(page)
    await _write(page, "a:\n  - b")
    await keys.press("Enter")
    await keys.type("c")
    await expect(recipe).to_have_value("a:\n  - b\n  c")
    await keys.press("Tab")
    await expect(recipe).to_have_value("a:\n  - b\n  c  ")
    await keys.press("Control+a")
    await keys.press("Tab")
    await expect(recipe).to_have_value("  a:\n    - b\n    c  ")
    await keys.press("Shift+Tab")
    await keys.press("Shift+Tab")
    await expect(recipe).to_have_value("a:\n- b\nc  ")
    await keys.press("Control+z")
    await expect(recipe).to_have_value("a:\n  - b\n  c  ")
    await expect(page.locator(".editor-gutter")).to_have_text("1\n2\n3\n")
    await keys.press("Escape")
    await keys.press("Tab")
    await expect(recipe).not_to_be_focused()
    assert await page.evaluate("document.activeElement.closest('.preview, .problems-place, .form-actions') !== null")


@pytest.mark.slow
async def test_nothing_hides_the_focus(chromium: Browser, site: Site) -> None:
    """On a low screen the bar that stays at the bottom never covers what has the focus (WCAG 2.2, 2.4.11)."""
    made = await _save(site, "on-a-low-screen")
    async with open_tab(chromium, site, width=900, height=420) as page:
        await page.goto(f"/ui/configurations/{made['id']}")
        await _write(page, RECIPE + "".join(f"  - type: unknown-{n}\n" for n in range(12)))
        await expect(page.get_by_role("list", name="Problems").get_by_role("button")).to_have_count(12)
        await page.keyboard.press("Escape")
        seen = 0
        while await _tab_to_the_next(page) != "BODY" and seen < 60:
            seen += 1
            covered = await page.evaluate(
                """() => {
                  const box = document.activeElement.getBoundingClientRect();
                  const bar = document.querySelector('.form.wide > .form-actions');
                  return !bar.contains(document.activeElement) && box.top >= bar.getBoundingClientRect().top
                    && box.bottom <= bar.getBoundingClientRect().bottom && document.activeElement.textContent;
                }"""
            )
            assert not covered
        assert seen > 20


@pytest.mark.slow
async def test_what_was_typed_is_not_lost(page: Page, site: Site) -> None:
    """Whoever follows a link and comes back finds what was typed; undoing brings back what is saved."""
    made = await _save(site, "left-alone")
    await page.goto(f"/ui/configurations/{made['id']}")
    await _write(page, RECIPE + "# not saved\n")
    await page.get_by_role("link", name="Builds", exact=True).click()
    await page.go_back()
    await expect(page.get_by_text("This is what you typed and did not save.")).to_be_visible()
    await expect(_recipe(page)).to_have_value(RECIPE + "# not saved\n")
    await page.get_by_role("button", name="Undo my changes").click()
    await page.get_by_role("button", name="Yes, drop it").click()
    await expect(_recipe(page)).to_have_value(RECIPE)
    await expect(page.get_by_role("button", name="Undo my changes")).to_have_count(0)


@pytest.mark.slow
async def test_typing_goes_on_while_it_is_saved(page: Page, site: Site) -> None:
    """What is typed between a save and its answer is not taken for saved, and is saved by the next one."""
    made = await _save(site, "typed-meanwhile")
    await page.goto(f"/ui/configurations/{made['id']}")
    await _write(page, RECIPE + "# first\n")
    asked, gate = asyncio.Event(), asyncio.Event()

    async def hold(route: Route) -> None:
        asked.set()
        await gate.wait()
        await route.continue_()

    await page.route(f"**/api/config/{made['id']}", hold)
    await page.get_by_role("button", name="Save", exact=True).click()
    await asked.wait()
    await _write(page, RECIPE + "# first\n# second\n")
    gate.set()
    await expect(page.get_by_text("Saved as version 2.")).to_be_visible()
    await expect(page.get_by_text("changes not saved")).to_be_visible()
    await page.get_by_role("button", name="Save", exact=True).click()
    await expect(page.get_by_text("Saved as version 3.")).to_be_visible()
    await expect(page.get_by_text("changes not saved")).to_have_count(0)


@pytest.mark.slow
async def test_begin_with_an_example(page: Page, site: Site) -> None:
    """Each example can be put into a new recipe, is valid there, and undo brings back what was typed."""
    await page.goto("/ui/configurations/new")
    before = await _recipe(page).input_value()
    choice = page.get_by_label("Begin with an example")
    for value in await choice.locator("option").evaluate_all("options => options.map((option) => option.value)"):
        await choice.select_option(value)
        await page.get_by_role("button", name="Put it into the recipe").click()
        await expect(_recipe(page)).not_to_have_value(before)
        await expect(page.get_by_text("Valid", exact=True)).to_be_visible()
        await expect(page.get_by_role("region", name="Containerfile")).to_contain_text("FROM ")
        await _recipe(page).focus()
        await page.keyboard.press("Control+z")
        await expect(_recipe(page)).to_have_value(before)


@pytest.mark.slow
async def test_recipes_stay_text(page: Page, site: Site) -> None:
    """Hostile words in recipes are shown letter by letter in problems, the Containerfile and differences."""
    made = await _save(site, "hostile")
    for version, text in enumerate(CORPUS, start=2):
        await page.goto(f"/ui/configurations/{made['id']}")
        quoted = "'" + text.replace("'", "''") + "'"
        await _write(page, RECIPE + f"  - type: {quoted} # {text}\n")
        await expect(page.get_by_role("list", name="Problems")).to_contain_text(shown(text))
        await page.get_by_role("button", name="Save", exact=True).click()
        await expect(page.get_by_text(f"Saved as version {version}.")).to_be_visible()
        saved = page.get_by_role("listitem").filter(has_text=f"Version {version}")
        await saved.get_by_role("button", name="What it changed").click()
        await expect(page.locator(".diff").first).to_contain_text(shown(text))
    assert await page.locator("main script, main img, main [onerror], main [onload], main iframe").count() == 0


@pytest.mark.slow
async def test_a_long_recipe_on_a_phone(chromium: Browser, site: Site) -> None:
    """A recipe of thousands of lines is numbered to its end, follows the cursor, and widens no phone."""
    made = await _save(site, "long", RECIPE + "".join(f"# line {n} {'x' * 200}\n" for n in range(3000)))
    async with open_tab(chromium, site, width=360, height=740, theme="dark") as page:
        await page.goto(f"/ui/configurations/{made['id']}")
        await expect(page.get_by_text("Valid", exact=True)).to_be_visible()
        await _recipe(page).focus()
        await page.keyboard.press("Control+End")
        scrolled = await _recipe(page).evaluate("(area) => [area.scrollTop, area.previousElementSibling.scrollTop]")
        assert scrolled[0] > 50_000
        assert scrolled[0] == pytest.approx(scrolled[1], abs=20)
        assert await page.evaluate("document.documentElement.scrollWidth") <= 360
        await take_picture(page, "configuration-360-dark")


async def test_the_images_of_the_page() -> None:
    """The page offers the image types that the API takes, and begins with the API's defaults."""
    source = (Path(ui.__file__).parent / "static/js/recipe/images.js").read_text()
    offered = re.search(r"IMAGE_TYPES = \[(.*?)\]", source, re.DOTALL)
    assert offered is not None
    assert re.findall("'([^']+)'", offered[1]) == list(get_args(ImageType))
    assert f"image_type: '{DEFAULT_IMAGE_TYPE}', fedora_version: '{DEFAULT_FEDORA_VERSION}'" in source


def _recipe(page: Page) -> Locator:
    return page.get_by_label("Recipe", exact=True)


async def _write(page: Page, text: str) -> None:
    """Put a text into the editor as typing would, the cursor at its end."""
    await _recipe(page).fill(text)
    await _recipe(page).press("Control+End")


async def _tab_to_the_next(page: Page) -> str:
    """Go on to what Tab leads to; answers its element's name, BODY at the end."""
    await page.keyboard.press("Tab")
    return str(await page.evaluate("document.activeElement.tagName"))


async def _line(page: Page) -> int:
    """The line that the cursor is on, from 1."""
    count = await _recipe(page).evaluate("(area) => area.value.slice(0, area.selectionStart).split('\\n').length")
    return int(count)


async def _save(site: Site, name: str, recipe: str = RECIPE) -> dict[str, Any]:
    """Make a configuration that belongs to nobody; answers it."""
    return dict((await post(site, "/api/config/", {"name": name, "yaml_content": recipe})).json())


async def _change(site: Site, made: dict[str, Any], old: str, new: str) -> None:
    """Save another recipe, as somebody else would."""
    body = {"name": made["name"], "yaml_content": RECIPE.replace(old, new)}
    answer = await site.client.put(f"/api/config/{made['id']}", json=body)
    assert answer.is_success, answer.text
