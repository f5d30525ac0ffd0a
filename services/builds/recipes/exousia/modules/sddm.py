"""The sddm-themes module."""

from collections.abc import Iterator

from services.builds.recipes.commands import words
from services.builds.recipes.containerfile import run
from services.builds.recipes.exousia.module import Image, Keys, ModuleType, keys_of, path_of

_SOURCE = "/tmp/sddm-themes-source"  # noqa: S108  # in the image that is being built, where nobody else is
_DESTINATION = "/usr/share/sddm/themes"
_CONFIG = "/etc/sddm.conf.d/99-theme.conf"


def _emit(keys: Keys, _: Image) -> Iterator[str]:
    """Unpack bundles aside, so that the first theme is the first of theirs, not one that the image had before.

    Python's zipfile, because the base images have no unzip. Missing bundles are no error.
    """
    source = words([keys.get("source", _SOURCE).rstrip("/")])
    destination = words([keys.get("destination", _DESTINATION)])
    config = keys.get("config", _CONFIG)
    script = f"""
        if [ -d {source} ]; then
        unpacked="$(mktemp -d)"
        for bundle in {source}/*.zip; do
        if [ -f "$bundle" ]; then python3 -m zipfile -e "$bundle" "$unpacked"; fi
        done
        for bundle in {source}/*.tar {source}/*.tar.gz {source}/*.tgz {source}/*.tar.bz2 {source}/*.tar.xz; do
        if [ -f "$bundle" ]; then tar -xf "$bundle" -C "$unpacked"; fi
        done
        mkdir -p {destination}
        cp -R "$unpacked/." {destination}
        for metadata in "$unpacked"/*/metadata.desktop; do
        if [ -f "$metadata" ]; then
        theme="${{metadata%/metadata.desktop}}"
        mkdir -p {words([config.rpartition("/")[0] or "/"])}
        printf '[Theme]\\nCurrent=%s\\n' "${{theme##*/}}" > {words([config])}
        break
        fi
        done
        rm -rf "$unpacked"
        fi
    """
    if instruction := run([script]):
        yield instruction


SDDM_THEMES = ModuleType(
    "sddm-themes",
    keys_of(
        "sddm-themes",
        "Unpacks themes of the login screen (zip, tar, tar.gz, tar.bz2, tar.xz); the first one becomes the current.",
        {
            "source": path_of("The folder with the bundles.", default=_SOURCE),
            "destination": path_of("Where themes live.", default=_DESTINATION),
            "config": path_of("The file that names the current theme.", default=_CONFIG),
        },
    ),
    _emit,
)
