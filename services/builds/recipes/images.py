"""The images that recipes start from, as Exousia names them."""

import re

DEFAULT_IMAGE_TYPE = "fedora-sway-atomic"
DEFAULT_FEDORA_VERSION = "43"
FEDORA_VERSIONS = ("42", "43", "44", "rawhide")  # offered; any other tag of the base image works too

_BOOTC = "fedora-bootc"
_FEDORA = ("bootc", "silverblue", "kinoite", "sway-atomic")  # published by Fedora itself
_OSTREE_DESKTOPS = ("onyx", "budgie", "cinnamon", "cosmic", "deepin", "lxqt", "mate", "xfce")
_REPOSITORIES = {
    **{f"fedora-{name}": f"quay.io/fedora/fedora-{name}" for name in _FEDORA},
    **{f"fedora-{name}": f"quay.io/fedora-ostree-desktops/{name}" for name in _OSTREE_DESKTOPS},
}
IMAGE_TYPES = tuple(_REPOSITORIES)

# https://github.com/distribution/reference: name components, an optional registry with port, then a tag and a digest.
_REFERENCE = re.compile(
    r"[a-zA-Z0-9][a-zA-Z0-9._-]*(?::[0-9]{1,5})?(?:/[a-z0-9]+(?:(?:\.|_{1,2}|-+)[a-z0-9]+)*)*"
    r"(?::(?P<tag>[A-Za-z0-9_][A-Za-z0-9._-]{0,127}))?"
    r"(?:@(?P<digest>sha256:[0-9a-f]{64}|sha512:[0-9a-f]{128}))?",
    re.ASCII,
)
_TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,127}", re.ASCII)
_MAX_REFERENCE = 400  # characters: 255 of a name, 128 of a tag and the digest do not fit together in practice


def base_image_of(image_type: str, version: str) -> str:
    """Return the reference of the base image; an unknown image type starts from fedora-bootc, as it does upstream."""
    return f"{_REPOSITORIES.get(image_type, _REPOSITORIES[_BOOTC])}:{version}"


def with_version(reference: str, version: str) -> str:
    """Append the version as the tag of a base image that has neither tag nor digest."""
    last_segment = reference.rpartition("/")[2]
    return reference if ":" in last_segment or "@" in last_segment else f"{reference}:{version}"


def is_bootc(image_type: str) -> bool:
    """Say whether images of this type are plain bootc images, which alone know Plymouth as an option."""
    return image_type == _BOOTC


def is_reference(text: str) -> bool:
    """Say whether this can be the reference of an image."""
    return len(text) <= _MAX_REFERENCE and _REFERENCE.fullmatch(text) is not None


def is_tag(text: str) -> bool:
    """Say whether this can be the tag of an image."""
    return _TAG.fullmatch(text) is not None


def is_latest(reference: str) -> bool:
    """Say whether this names whatever is the newest: the tag `latest` without a digest, so that builds differ."""
    found = _REFERENCE.fullmatch(reference) if len(reference) <= _MAX_REFERENCE else None
    return found is not None and found["tag"] == "latest" and found["digest"] is None
