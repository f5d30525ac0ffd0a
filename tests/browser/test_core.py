"""The page's pure functions, tried in the browser that runs them."""

from typing import Any

from playwright.async_api import Page

_DURATIONS = [
    (None, "\N{EN DASH}"),
    (0, "0.0 s"),
    (0.46, "0.4 s"),
    (12.9, "12 s"),
    (64, "1m 04s"),
    (7380, "2h 03m"),
    (273600, "3d 4h"),
]
_AGO = [(0, "just now"), (-59, "in 59 s"), (42, "42 s ago"), (300, "5 min ago"), (7200, "2 h ago"), (172800, "2 d ago")]
_PATHS: list[tuple[str, str, dict[str, str] | None]] = [
    ("/ui/jobs", "/ui/jobs", {}),
    ("/ui/jobs", "/ui/jobs/", {}),
    ("/ui/jobs/:id", "/ui/jobs/a%2Fb", {"id": "a/b"}),
    ("/ui/jobs/:id", "/ui/jobs", None),
    ("/ui/jobs/:id", "/ui/jobs/%E0%A4%A", None),
]


async def _call(page: Page, module: str, function: str, *arguments: Any) -> Any:
    """Call a function of one of the page's modules."""
    if not page.url.endswith("/ui/signin"):
        await page.goto("/ui/signin")
    return await page.evaluate(
        """async ([module, name, given]) => {
          const main = document.querySelector('script[type=module]').src;
          return (await import(main.replace('main.js', `core/${module}`)))[name](...given);
        }""",
        [module, function, list(arguments)],
    )


async def test_words_for_time(visitor: Page) -> None:
    """Lengths of time are short and of two units at most; moments are told from now."""
    assert [await _call(visitor, "time.js", "duration", seconds) for seconds, _ in _DURATIONS] == [
        words for _, words in _DURATIONS
    ]
    at_ms = 1_795_000_000_000
    for seconds, words in _AGO:
        iso = await visitor.evaluate("(ms) => new Date(ms).toISOString()", at_ms - seconds * 1000)
        assert await _call(visitor, "time.js", "relative", iso, at_ms) == words


async def test_addresses(visitor: Page) -> None:
    """Patterns name parts of a path; what cannot be decoded fits none; empty filters leave no trace."""
    for pattern, path, params in _PATHS:
        assert await _call(visitor, "router.js", "match", pattern.split("/"), path) == params
    assert await _call(visitor, "api.js", "address", "/jobs", {"a": "x y&z", "b": "", "c": None}) == "/jobs?a=x+y%26z"


async def test_reading_again_has_a_pace(visitor: Page) -> None:
    """Many events make one reading, at once; those after it wait for their turn, and none is lost."""
    await visitor.goto("/ui/signin")
    found = await visitor.evaluate(
        """async () => {
          const main = document.querySelector('script[type=module]').src;
          const { atMostEvery } = await import(main.replace('main.js', 'core/pace.js'));
          const life = new AbortController();
          const moments = [];
          let done;
          const soon = atMostEvery(300, () => (moments.push(performance.now()), done()), life.signal);
          const next = () => new Promise((resolve) => (done = resolve));
          let waited = next();
          for (let n = 0; n < 10; n += 1) soon();
          await waited;
          waited = next();
          soon();
          soon();
          await waited;
          soon();
          life.abort();
          soon();
          return { count: moments.length, apart: moments[1] - moments[0] };
        }"""
    )
    assert found["count"] == 2
    assert found["apart"] >= 299


async def test_rows_keep_their_order_and_focus(visitor: Page) -> None:
    """Rows stand in order whatever comes in between, and one that is drawn anew keeps the focus."""
    await visitor.goto("/ui/signin")
    found = await visitor.evaluate(
        """async () => {
          const main = document.querySelector('script[type=module]').src;
          const { Rows, row, rowLink } = await import(main.replace('main.js', 'parts/rows.js'));
          const rows = new Rows({
            label: 'Numbers', keyOf: (one) => one.n, before: (a, b) => a.n > b.n,
            render: (one) => row({ title: rowLink(`/ui/jobs/${one.n}`, one.text) }),
          });
          document.body.append(rows.element);
          const keys = () => [...rows.element.children].map((element) => element.dataset.key).join();
          const seen = [];
          rows.set([5, 3].map((n) => ({ n, text: 'old' })));
          const link = () => rows.element.querySelector('[data-key="3"] a');
          const untouched = link();
          link().focus();
          rows.upsert({ n: 4, text: 'old' });
          rows.upsert({ n: 6, text: 'old' });
          rows.upsert({ n: 1, text: 'old' });
          seen.push(keys(), link() === untouched);
          rows.upsert({ n: 3, text: 'new' });
          seen.push(link().textContent, document.activeElement === link());
          rows.set([7, 5, 3].map((n) => ({ n, text: 'new' })));
          seen.push(keys(), document.activeElement === link(), rows.last.n, rows.trim(2), keys());
          return seen;
        }"""
    )
    assert found == ["6,5,4,3,1", True, "new", True, "7,5,3", True, 3, True, "7,5"]
