"""The types of modules, in the order in which the documentation lists them."""

from collections.abc import Mapping

from services.builds.recipes.exousia.module import ModuleType
from services.builds.recipes.exousia.modules.copies import FILES
from services.builds.recipes.exousia.modules.first_boot import CHEZMOI, DEFAULT_FLATPAKS
from services.builds.recipes.exousia.modules.rpm import PACKAGE_LOADER, RPM_OSTREE
from services.builds.recipes.exousia.modules.scripts import SCRIPT
from services.builds.recipes.exousia.modules.sddm import SDDM_THEMES
from services.builds.recipes.exousia.modules.signing import SIGNING
from services.builds.recipes.exousia.modules.sources import GIT_CLONE, GITHUB_INSTALL
from services.builds.recipes.exousia.modules.systemd import SYSTEMD

MODULE_TYPES: Mapping[str, ModuleType] = {
    one.name: one
    for one in (
        FILES,
        SCRIPT,
        RPM_OSTREE,
        PACKAGE_LOADER,
        SYSTEMD,
        SDDM_THEMES,
        SIGNING,
        DEFAULT_FLATPAKS,
        CHEZMOI,
        GIT_CLONE,
        GITHUB_INSTALL,
    )
}
