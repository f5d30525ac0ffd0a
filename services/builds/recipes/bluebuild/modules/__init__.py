"""Every type of module of BlueBuild's recipe v1: its shape, and how it is transpiled or why not."""

from collections.abc import Mapping
from types import MappingProxyType

from services.builds.recipes.bluebuild.module import ModuleType
from services.builds.recipes.bluebuild.modules import (
    apps,
    distributions,
    dnf,
    dotfiles,
    files,
    foreign,
    rpm_ostree,
    scripts,
    system,
)

_ALL = (
    foreign.AKMODS,
    distributions.APK,
    distributions.APT,
    foreign.BLING,
    foreign.BREW,
    dotfiles.CHEZMOI,
    files.CONTAINERFILE,
    files.COPY,
    apps.DEFAULT_FLATPAKS,
    dnf.DNF,
    files.FILES,
    apps.FONTS,
    foreign.GNOME_EXTENSIONS,
    system.GSCHEMA_OVERRIDES,
    system.INITRAMFS,
    foreign.JUSTFILES,
    system.KARGS,
    system.OS_RELEASE,
    distributions.PACMAN,
    rpm_ostree.RPM_OSTREE,
    scripts.SCRIPT,
    foreign.SIGNING,
    foreign.SOAR,
    system.SYSTEMD,
    foreign.YAFTI,
    distributions.ZYPPER,
)

TYPES: Mapping[str, ModuleType] = MappingProxyType({kind.name: kind for kind in _ALL})
"""By the name without a version."""
