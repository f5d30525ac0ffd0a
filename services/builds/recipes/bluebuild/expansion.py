"""Modules and stages of a recipe with `from-file` expanded, in the order in which they run."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import islice

from services.builds.recipes.bluebuild.shape import MODULES_FILE, STAGES_FILE
from services.builds.recipes.document import List, Map, Node, Scalar, Unreadable, parse
from services.builds.recipes.files import RecipeFiles
from services.builds.recipes.problem import Problem, Severity
from services.builds.recipes.shapes import Finding, check

# Modules and stages, files included; ten times what the largest recipe known has. Files that each include the next one
# twice would else double with each of them.
MAX_ENTRIES = 1_000
MAX_FILES = 50  # different files; each may be as large as a recipe and take a tenth of a second
MAX_FINDINGS = 10  # of one file; whoever wrote it opens it then

_PLACE = re.compile(r"(?:stages\[(\d+)\]\.?)?(?:modules\[(\d+)\]\.?)?(.*)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Spot:
    """A place in the recipe itself: where a person looks, also for what is wrong in a file that stands there."""

    line: int
    column: int
    module: int | None = None
    label: str = "The recipe"

    def problem(self, message: str, severity: Severity = "error") -> Problem:
        return Problem(severity, f"{self.label}: {message}", self.line, self.column, self.module)


@dataclass(frozen=True, slots=True)
class Origin:
    """What entries of a list stand in: a stage, or a file by its path; None for a stage of the recipe itself."""

    spot: Spot
    file: str | None


@dataclass(frozen=True, slots=True)
class Placed(Origin):
    """A module or stage by its mapping. `file` is the path of the file that it stands in, None for the recipe."""

    node: Map


@dataclass(slots=True)
class Expansion:
    """Reads what a recipe includes, each file once; collects what keeps it from that in `problems`.

    A file that cannot be read here is `unread`: an error to those who need its modules, no more than a warning to
    those who look at the recipe alone.
    """

    files: RecipeFiles
    problems: list[Problem] = field(default_factory=list)
    unread: list[Problem] = field(default_factory=list)
    _lists: dict[tuple[str, str], tuple[Node, ...]] = field(default_factory=dict)
    _count: int = 0

    def stages(self, recipe: Map) -> list[Placed]:
        """Return the stages of a recipe."""
        return list(self._expand("stages", _entries("stages", recipe), None, ()))

    def modules(self, recipe: Map) -> list[Placed]:
        """Return the modules of a recipe, those of its stages left out."""
        return list(self._expand("modules", _entries("modules", recipe), None, ()))

    def modules_of(self, stage: Placed) -> list[Placed]:
        """Return the modules of a stage."""
        return list(self._expand("modules", _entries("modules", stage.node), stage, ()))

    def _expand(
        self, key: str, entries: tuple[Node, ...], within: Origin | None, chain: tuple[str, ...]
    ) -> Iterator[Placed]:
        for index, node in enumerate(entries):
            if not isinstance(node, Map):
                continue  # `check` has said so
            spot = _spot(key, index, node, within)
            self._count += 1
            if self._count > MAX_ENTRIES:
                if self._count == MAX_ENTRIES + 1:
                    self.problems.append(spot.problem(f"more than {MAX_ENTRIES} modules and stages, files included"))
                return
            path = node.get("from-file")
            if isinstance(path, Scalar):
                yield from self._include(key, path.text, spot, chain)
            else:
                yield Placed(spot, within.file if within else None, node)

    def _include(self, key: str, path: str, spot: Spot, chain: tuple[str, ...]) -> Iterator[Placed]:
        if path in chain:
            circle = " -> ".join([*chain[chain.index(path) :], path])
            self.problems.append(spot.problem(f"from-file goes in a circle: {circle}"))
            return
        if (key, path) not in self._lists:
            self._lists[key, path] = tuple(self._load(key, path, spot))
        yield from self._expand(key, self._lists[key, path], Origin(spot, path), (*chain, path))

    def _load(self, key: str, path: str, spot: Spot) -> tuple[Node, ...]:
        """Read what a file has for the list `key`: its own list, or the only module or stage that it is."""
        if len(self._lists) >= MAX_FILES:
            self.problems.append(spot.problem(f"more than {MAX_FILES} files are included"))
            return ()
        text = self.files.read(path)
        if text is None:
            self.unread.append(spot.problem(f"the file {path!r} cannot be read here"))
            return ()
        try:
            root = parse(text).root
        except Unreadable as error:
            self.problems.append(spot.problem(f"{path}: {error}"))
            return ()
        if root is None:
            self.problems.append(spot.problem(f"{path} is empty"))
            return ()
        found = list(islice(check(MODULES_FILE if key == "modules" else STAGES_FILE, root), MAX_FINDINGS))
        self.problems += [
            spot.problem(f"{path}:{finding.at.line}:{finding.at.column}: {sentence(finding)}") for finding in found
        ]
        if found or not isinstance(root, Map):
            return ()
        return _entries(key, root) if "name" not in root and {"modules", "stages"} & root.entries.keys() else (root,)


def _entries(key: str, holder: Map) -> tuple[Node, ...]:
    entries = holder.get(key)
    return entries.items if isinstance(entries, List) else ()


def _spot(key: str, index: int, node: Node, within: Origin | None) -> Spot:
    """Say where an entry stands in the recipe; what an included file holds stands where the file is named."""
    if within is None and key == "modules":
        return Spot(node.line, node.column, index, f"Module {index}")
    if within is None:
        return Spot(node.line, node.column, None, f"Stage {index}")
    if within.file is None:
        return Spot(node.line, node.column, None, f"{within.spot.label}, module {index}")
    return within.spot


_WHO = {  # by whether it is in a stage, and in a module
    (False, False): "",
    (False, True): "Module {1}",
    (True, False): "Stage {0}",
    (True, True): "Stage {0}, module {1}",
}


def problems_of(findings: Iterable[Finding]) -> Iterator[Problem]:
    """Turn what `check` found in a recipe into problems, modules counted from 0 as they are written."""
    for finding in findings:
        found = _PLACE.match(finding.path)
        in_stage, module = (found[1], found[2]) if found else (None, None)
        index = int(module) if module is not None and in_stage is None else None
        yield Problem("error", sentence(finding), finding.at.line, finding.at.column, index)


def sentence(finding: Finding) -> str:
    """Say a finding as a sentence: who, which key, what."""
    found = _PLACE.match(finding.path)
    stage, module, rest = (found[1], found[2], found[3]) if found else (None, None, finding.path)
    if not finding.path and finding.missing:
        return f"Missing required field: {finding.missing}"
    who = _WHO[stage is not None, module is not None].format(stage, module)
    if not who:
        return f"{rest!r} {finding.what}" if rest else f"The recipe {finding.what}"
    return f"{who}: {rest!r} {finding.what}" if rest else f"{who} {finding.what}"
