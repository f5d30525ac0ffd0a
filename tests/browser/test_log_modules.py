"""The pure modules of the job page, each as a table of cases that runs where they run: in the browser."""

import json
import re
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio
from playwright.async_api import Browser, Page

from tests.browser.tabs import open_tab
from tests.e2e.site import Installation, visit
from tests.servers import ROOT


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def visitor(chromium: Browser, _shared: Installation) -> AsyncIterator[Page]:
    """One tab for all cases, which leave nothing behind in it; `load` imports a module of the job page."""
    async with visit(_shared) as site:
        await site.start(*_shared.processes.started)
        async with open_tab(chromium, site, signed_in=False) as page:
            await page.goto("/ui/signin")
            main = "document.querySelector('script[type=module]').src"
            await page.evaluate(f"() => {{ window.load = (name) => import(new URL(`./job/${{name}}`, {main})); }}")
            yield page


async def run(page: Page, module: str, script: str, *arguments: Any) -> Any:
    """Evaluate `script`, a function of the module `m` and the arguments, in a page that serves the module."""
    body = f"async ([name, given]) => ({script})(await load(name), ...given)"
    return await page.evaluate(body, [module, list(arguments)])


ESC = "\x1b"


@pytest.mark.parametrize(
    ("message", "pieces"),
    [
        ("", []),
        ("plain", [["plain", None]]),
        (f"{ESC}[31mred{ESC}[0m and", [["red", {"fg": 1}], [" and", None]]),
        (f"{ESC}[1;4mboth{ESC}[22;24m", [["both", {"bold": True, "underline": True}]]),
        (f"{ESC}[97;104mbright", [["bright", {"fg": 15, "bg": 12}]]),
        (f"{ESC}[38;5;9mold{ESC}[mnot", [["old", {"fg": 9}], ["not", None]]),
        (f"{ESC}[38;5;196mcube", [["cube", {"fg": [255, 0, 0]}]]),
        (f"{ESC}[48;5;232mgrey", [["grey", {"bg": [8, 8, 8]}]]),
        (f"{ESC}[38;2;1;2;3;1mtrue", [["true", {"fg": [1, 2, 3], "bold": True}]]),
        (f"{ESC}[38:2::1:2:3mspace", [["space", {"fg": [1, 2, 3]}]]),
        (f"{ESC}[38:2:1:2:3mcolons", [["colons", {"fg": [1, 2, 3]}]]),
        (f"{ESC}[38;2;1;2m{ESC}[38;5mcut short", [["cut short", None]]),
        (f"{ESC}[38;2;999;0;0mno colour", [["no colour", None]]),
        (f"{ESC}[7mswapped{ESC}[27m", [["swapped", {"inverse": True}]]),
        (f"{ESC}[31m{ESC}[39mback", [["back", None]]),
        (f"{ESC}[4:3mcurly{ESC}[4:0mnone", [["curly", {"underline": True}], ["none", None]]),
        (f"{ESC}[58;5;1;99munknown", [["unknown", None]]),
    ],
)
async def test_colours_are_parsed(visitor: Page, message: str, pieces: list[Any]) -> None:
    """SGR sequences become styles, whole or cut short, in the old form and with colons."""
    script = """(m, message) => m.pieces(message).map(({text, style}) => [text, style && Object.fromEntries(
        Object.entries(style).filter(([, value]) => value !== undefined && value !== false))])"""
    expected = [[text, style] for text, style in pieces]
    # What was switched off again may leave an empty style, which is the same as none.
    assert [[text, style or None] for text, style in await run(visitor, "ansi.js", script, message)] == expected


async def test_any_colour_can_be_read(visitor: Page) -> None:
    """Each of the 240 extended colours is brought to a contrast of 4.5 on the surfaces of both themes."""
    script = """(m) => {
        const bad = [];
        for (let r = 0; r < 256; r += 51) for (let g = 0; g < 256; g += 51) for (let b = 0; b < 256; b += 51)
            for (const surface of [m.SURFACES.light, m.SURFACES.dark, ...m.PALETTE])
                if (m.contrast(m.readable([r, g, b], surface), surface) < 4.5) bad.push([r, g, b, surface]);
        return bad;
    }"""
    assert await run(visitor, "colours.js", script) == []
    black_on_white = await run(visitor, "colours.js", "(m) => m.contrast([0, 0, 0], [255, 255, 255])")
    assert round(black_on_white, 3) == 21


@pytest.mark.parametrize(
    ("hash_", "range_"),
    [
        ("", None),
        ("#L120", [120, 120]),
        ("#L120-L140", [120, 140]),
        ("#L140-120", [120, 140]),
        ("#L0", None),
        ("#L-1", None),
        ("#L1x", None),
        ("#L9999999999999999999", None),
        ("#main", None),
    ],
)
async def test_links_to_lines(visitor: Page, hash_: str, range_: list[int] | None) -> None:
    """A hash names a line or a range, in either order; anything else names none."""
    script = "(m, hash) => { const r = m.parseAnchor(hash); return r && [r.first, r.last, m.formatAnchor(r)]; }"
    found = await run(visitor, "anchor.js", script, hash_)
    if range_ is None:
        assert found is None
    else:
        first, last = range_
        assert found == [first, last, f"#L{first}" if first == last else f"#L{first}-L{last}"]


OUTLINE = """(m, [rows, last, status]) => {
    return load('lines.js').then(({Lines}) => {
            const lines = new Lines();
            lines.expect(last);
            let run = [];
            const flush = () => { if (run.length) lines.add(run); run = []; };
            for (const [id, level, message] of rows) {
                if (run.length && run.at(-1).id !== id - 1) flush();
                run.push({id, level, message, timestamp: new Date(id * 1000).toISOString()});
            }
            flush();
            const sections = m.outline(lines, status);
            const folded = m.foldedByDefault(sections, status);
            return sections.map((s) => [s.name, s.n, s.last, s.depth, s.state, folded.has(s.n)]);
        });
}"""


def log_of(*messages: str, first: int = 1) -> list[list[Any]]:
    """Rows with running numbers; `!` in front is the runner's error, `>` a program's output, else the runner's info."""
    levels = {"!": "error", ">": "stdout"}
    return [
        [n, levels.get(text[0], "info"), text[1:] if text[0] in levels else text]
        for n, text in enumerate(messages, start=first)
    ]


G, E = "::group::", "::endgroup::"
CLONE = (f"{G}clone", "ada/engine at 9f2c", E)
PASSED = (f"{G}build", ">ok", "exit code 0 after 1.0 s", E)
FAILED = (f"{G}test", ">boom", "!exit code 2 after 3.5 s", E)


@pytest.mark.parametrize(
    ("rows", "last", "status", "sections"),
    [
        pytest.param(
            log_of(*CLONE, *PASSED, *FAILED, "!step test failed with exit code 2"),
            0,
            "failed",
            [
                ["clone", 1, 3, 0, "success", True],
                ["build", 4, 7, 0, "success", True],
                ["test", 8, 11, 0, "failed", False],
            ],
            id="the step that failed is open, the others are folded",
        ),
        pytest.param(
            log_of(*CLONE, f"{G}test", ">one"),
            0,
            "running",
            [["clone", 1, 3, 0, "success", True], ["test", 4, 5, 0, "running", False]],
            id="the step that runs is open",
        ),
        pytest.param(
            log_of(*CLONE, *PASSED),
            0,
            "success",
            [["clone", 1, 3, 0, "success", True], ["build", 4, 7, 0, "success", False]],
            id="the last step of a success is open",
        ),
        pytest.param(
            log_of(*FAILED, "step test is allowed to fail", *PASSED),
            0,
            "success",
            [["test", 1, 4, 0, "allowed", True], ["build", 6, 9, 0, "success", False]],
            id="a step that may fail did not fail the job",
        ),
        pytest.param(
            log_of(f"{G}test", f">{G}inner", ">a", f">{E}", f">{E}", ">still in the step", E),
            0,
            "success",
            [["test", 1, 7, 0, "success", False], ["inner", 2, 4, 1, "success", True]],
            id="a program's marks make groups and end no step",
        ),
        pytest.param(
            log_of(f">{G}evil", f">{E}", "words"),
            0,
            "success",
            [["evil", 1, 2, 1, "success", True]],
            id="a program's group outside of a step",
        ),
        pytest.param(
            log_of(f"{G}clone", "half", *CLONE),
            0,
            "success",
            [["clone", 1, 2, 0, "stopped", True], ["clone", 3, 5, 0, "success", False]],
            id="another worker began anew",
        ),
        pytest.param(
            log_of(*CLONE, f"{G}long", ">x") + log_of(">y", *FAILED, first=900),
            904,
            "failed",
            [
                ["clone", 1, 3, 0, "success", True],
                ["long", 4, 5, 0, "stopped", True],
                ["test", 901, 904, 0, "failed", False],
            ],
            id="a step does not reach over lines that are not here yet",
        ),
        pytest.param(
            log_of(f"{G}one", E, E, E, ">after"),
            0,
            "success",
            [["one", 1, 2, 0, "success", False]],
            id="ends of nothing",
        ),
        pytest.param(log_of(f"{G}", E), 0, "success", [["(no name)", 1, 2, 0, "success", False]], id="no name"),
    ],
)
async def test_steps_are_found(visitor: Page, rows: Any, last: int, status: str, sections: list[Any]) -> None:
    """Steps come from the runner's own marks; which are folded follows from how the job stands."""
    assert await run(visitor, "outline.js", OUTLINE, [rows, last, status]) == sections


async def test_rows_and_lines(visitor: Page) -> None:
    """A layout maps rows to lines and offsets to rows and back, with folded sections, ends left out, and heights."""
    script = """(m) => {
        const sections = [{n: 2, last: 5}, {n: 7, last: 9}];
        const runs = m.visibleRuns(12, sections, new Set([2]), [5, 9]);
        const even = new m.Layout(runs, 10);
        const odd = new m.Layout(runs, 10, (n) => n === 7 ? 25 : 10);
        return {
            runs: runs.map(({first, last}) => [first, last]),
            rows: Array.from({length: even.rows}, (_, row) => even.line(row)),
            back: [1, 2, 4, 6, 9, 12, 99].map((n) => even.row(n)),
            shows: [2, 3, 5, 6, 9].map((n) => even.shows(n)),
            at: [0, 9, 10, 35, 1e9, -5].map((offset) => even.rowAt(offset)),
            odd: [odd.total, odd.offset(4), odd.rowAt(54), odd.rowAt(55)],
            empty: [new m.Layout([], 10).rows, new m.Layout([], 10).total, new m.Layout([], 10).rowAt(0)],
        };
    }"""
    assert await run(visitor, "layout.js", script) == {
        "runs": [[1, 2], [6, 8], [10, 12]],
        "rows": [1, 2, 6, 7, 8, 10, 11, 12],
        "back": [0, 1, 1, 2, 4, 7, 7],
        "shows": [True, False, False, True, False],
        "at": [0, 0, 1, 3, 7, 0],
        "odd": [95, 55, 3, 4],
        "empty": [0, 0, 0],
    }


async def test_events_are_cut_anywhere(visitor: Page) -> None:
    """The parser reads the format of the HTML standard, however the bytes were cut, with every kind of line end."""
    text = (
        "retry: 1500\n\n: ping\n\nid: 1-0\ndata: [1]\n\nid: 2-0\r\nevent: status\r\ndata: {\r\ndata: }\r\n\r\n"
        "event: bye\rdata:x\r\rdata\n\nignored: 1\n\nid\n\ndata: unfinished"
    )
    script = """(m, text) => {
        const all = [];
        for (let size = 1; size <= text.length; size += 1) {
            const parser = new m.EventParser();
            const events = [];
            for (let at = 0; at < text.length; at += size) events.push(...parser.feed(text.slice(at, at + size)));
            all.push(JSON.stringify([events.map(({type, data, id}) => [type, data, id]), parser.retry_ms]));
        }
        return [...new Set(all)];
    }"""
    found = await run(visitor, "eventstream.js", script, text)
    events = [
        ["message", "[1]", "1-0"],
        ["status", "{\n}", "2-0"],
        ["bye", "x", None],
        ["message", "", None],
        ["message", None, ""],
    ]
    assert [json.loads(one) for one in found] == [[events, 1500]]


async def test_search_finds_in_every_line(visitor: Page) -> None:
    """Hits are counted over all lines, colours do not hide them, capital letters count when the query has some."""
    script = """async (m) => {
        const {Lines} = await load('lines.js');
        const lines = new Lines();
        const line = (id, message) => ({id, message, level: 'stdout', timestamp: '2026-11-20T18:00:00Z'});
        const words = (i) => i % 1000 === 0 ? 'an \\x1b[31mEr\\x1b[0mror' : 'fine';
        lines.add(Array.from({length: 12000}, (_, i) => line(20001 + i, words(i))));
        let done;
        const ready = () => new Promise((resume) => { done = resume; });
        const search = new m.Search(lines, () => search.isBusy || done?.());
        const all = async (query) => {
            const wait = ready();
            search.start(query);
            await wait;
            return search.hits.length;
        };
        const counts = [await all('error'), await all('Error'), await all('ERROR'), await all('(')];
        await all('error');
        lines.add([line(1, 'error'), line(2, 'x')]);
        const wait = ready();
        search.add(1, 2);
        await wait;
        return {
            counts, first: search.hits[0], total: search.hits.length,
            next: [search.next(0), search.next(1), search.next(40000), search.next(1, true), search.next(20001, true)],
            place: [search.place(20001), search.place(20002)],
            marks: m.finder('a.a')('xa.aa.a'), empty: m.finder('')('x'),
        };
    }"""
    assert await run(visitor, "search.js", script) == {
        "counts": [12, 12, 0, 0],
        "first": 1,
        "total": 13,
        "next": [1, 20001, 1, 31001, 1],
        "place": [2, 0],
        "marks": [[1, 4], [4, 7]],
        "empty": [],
    }


async def test_times_in_the_log(visitor: Page) -> None:
    """Times since the beginning have minutes, hours only when there are some, and never go below zero."""
    script = "(m) => [m.since(1000, 1000), m.since(63120, 0), m.since(3723004, 0), m.since(0, 5)]"
    assert await run(visitor, "times.js", script) == ["+0:00.000", "+1:03.120", "+1:02:03.004", "+0:00.000"]


async def test_a_command_to_copy_holds_no_token(visitor: Page) -> None:
    """What is copied as curl names the token's variable and nothing secret, and follows only a job that goes on."""
    script = "(m, active) => m.asCurl('http://127.0.0.1:8000', '0199f3a2-6c1e-7b60-9d0a-3f2b8f6e7a11', active)"
    assert await run(visitor, "text.js", script, False) == (
        "curl -fsSN 'http://127.0.0.1:8000/jobs/0199f3a2-6c1e-7b60-9d0a-3f2b8f6e7a11/logs' "
        "-H \"Authorization: Bearer $SLIPWAY_TOKEN\" -H 'Accept: text/plain'"
    )
    assert "text/event-stream" in await run(visitor, "text.js", script, True)


async def test_advice_knows_every_documented_code(visitor: Page) -> None:
    """Each code that the documentation names has advice of its own."""
    texts = [(ROOT / "docs" / name).read_text() for name in ("jobs.md", "pipelines.md")]
    codes = re.findall(r"^\| `([A-Z_]+)` \|", "".join(texts), re.MULTILINE)
    assert len(codes) > 20
    script = "(m, codes) => codes.filter((code) => m.advice({code}) === m.advice({code: 'OTHER'}))"
    assert await run(visitor, "advice.js", script, codes) == []


@pytest.mark.parametrize(
    ("job", "words"),
    [
        ({"status": "pending", "waiting_for": None, "position": None}, "Waits for a free worker."),
        ({"status": "pending", "waiting_for": None, "position": 1}, "Waits for a free worker. It is next."),
        (
            {"status": "pending", "waiting_for": "an earlier job of its lane", "position": 3},
            "Waits for an earlier job of its lane. It is number 3 in the queue.",
        ),
        ({"status": "running", "waiting_for": "its next try", "position": None}, "Waits for its next try."),
        ({"status": "running", "waiting_for": None, "position": None}, None),
    ],
)
async def test_why_a_job_waits(visitor: Page, job: dict[str, Any], words: str | None) -> None:
    """A job that waits says for what, and how many are before it."""
    assert await run(visitor, "advice.js", "(m, job) => m.waiting(job)", job) == words
