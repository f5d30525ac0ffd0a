"""The page's files, read once, under an address that changes with their content.

All files share one hash, which stands in their path (`/ui/assets/<hash>/js/main.js`): modules import each other by
relative addresses, so they stay inside one version, and a browser may keep all of it for ever.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

BASE: Final = "/ui/assets"
# Everything that the page consists of; a file of another kind in the folder is a mistake of ours.
_MEDIA_TYPES: Final = {".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}
_INDEX: Final = "index.html"
# Enough that two versions never share an address.
_HASH_CHARS: Final = 16


@dataclass(frozen=True)
class Asset:
    """One file: its bytes and its media type."""

    content: bytes
    media_type: str


@dataclass(frozen=True)
class Assets:
    """All files of the page; `index` is the document that loads them."""

    version: str
    files: Mapping[str, Asset]
    index: bytes

    @classmethod
    def read(cls, folder: Path) -> "Assets":
        """Read `folder`: `index.html`, and below it the files by their path (`js/main.js`).

        In `index.html`, `{{assets}}` stands for the address of the files and `{{modules}}` for hints to load every
        module at once, instead of one level of imports after the other.
        """
        files = {
            path.relative_to(folder).as_posix(): Asset(path.read_bytes(), _MEDIA_TYPES[path.suffix])
            for path in sorted(folder.rglob("*"))
            if path.is_file() and path.name != _INDEX
        }
        template = (folder / _INDEX).read_text()
        digest = hashlib.sha256(template.encode())
        for name, asset in files.items():
            digest.update(name.encode() + b"\0" + asset.content + b"\0")
        version = digest.hexdigest()[:_HASH_CHARS]
        address = f"{BASE}/{version}"
        hints = "\n".join(
            f'<link rel="modulepreload" href="{address}/{name}">' for name in files if name.startswith("js/core/")
        )
        index = template.replace("{{modules}}", hints).replace("{{assets}}", address)
        return cls(version, files, index.encode())
