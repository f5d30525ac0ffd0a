"""Modules that set up the system: systemd, kargs, os-release, initramfs, gschema-overrides."""

import json
import re

from services.builds.recipes.bluebuild.commands import FILES, run
from services.builds.recipes.bluebuild.module import (
    A_NAME,
    NAME,
    Module,
    ModuleType,
    keys_of,
    versions,
)
from services.builds.recipes.commands import word, words, write
from services.builds.recipes.shapes import ONE_LINE, Many, Record, Table, Text

_OS_RELEASE = "/usr/lib/os-release"
_SCHEMAS = "/usr/share/glib-2.0/schemas"
_TRIAL = "/tmp/schemas"  # noqa: S108  # in the image that is being built, for the time of one RUN

# Unmasked first: a unit that is masked cannot be enabled.
_VERBS = {"unmasked": "unmask", "enabled": "enable", "disabled": "disable", "masked": "mask"}
_ESCAPED_IN_OS_RELEASE = re.compile(r'(["\\$`])')


def _systemd(module: Module) -> list[str]:
    """systemctl(1) works on an image's files without a running systemd."""
    commands = []
    for scope, option in (("system", ""), ("user", " --global")):
        units = module.keys.get(scope, {})
        commands += [f"systemctl{option} {verb} {words(units[key])}" for key, verb in _VERBS.items() if units.get(key)]
    return run(module, commands)


def _kargs(module: Module) -> list[str]:
    """Write a file of kernel arguments: https://bootc-dev.github.io/bootc/building/kernel-arguments.html"""
    lines = [f"kargs = {_toml_list(module.list('kargs'))}"]
    architectures = re.findall(r"[^\s,]+", module.keys.get("arch", ""))
    if architectures:
        lines.append(f"match-architectures = {_toml_list(architectures)}")
    return run(module, write(f"/usr/lib/bootc/kargs.d/slipway-{module.number:03}.toml", lines))


def _toml_list(texts: list[str]) -> str:
    """JSON's strings are TOML's basic strings, as long as no lone surrogate is in them."""
    return json.dumps(texts, ensure_ascii=False)


def _os_release(module: Module) -> list[str]:
    """Replace or add fields of os-release(5)."""
    commands = []
    for key, value in module.keys["properties"].items():
        escaped = _ESCAPED_IN_OS_RELEASE.sub(r"\\\1", value)
        commands += [
            f"sed -i '/^{key}=/d' {_OS_RELEASE}",
            f"printf '%s\\n' {word(f'{key}=' + chr(34) + escaped + chr(34))} >> {_OS_RELEASE}",
        ]
    return run(module, commands)


def _initramfs(module: Module) -> list[str]:
    """Build the initial RAM disk of each kernel anew, by dracut(8).

    DRACUT_NO_XATTR: a container's file system has none of the extended attributes that it would copy.
    """
    build = 'dracut --force --no-hostonly --reproducible --add ostree --kver "${kernel##*/}" "${kernel}/initramfs.img"'
    loop = f'for kernel in /usr/lib/modules/*; do {build} && chmod 0600 "${{kernel}}/initramfs.img" || exit 1; done'
    return run(module, ["export DRACUT_NO_XATTR=1", loop])


def _gschema_overrides(module: Module) -> list[str]:
    """Compile the overrides strictly on the side, so that a mistake fails the build, then where they belong."""
    source = f"{FILES}/gschema-overrides"
    chosen = " ".join(f"{source}/{word(name)}" for name in module.list("include")) or f"{source}/*.gschema.override"
    return run(
        module,
        [
            f"mkdir -p {_TRIAL}",
            f"cp {_SCHEMAS}/*.xml {chosen} {_TRIAL}/",
            f"glib-compile-schemas --strict {_TRIAL}",
            f"rm -rf {_TRIAL}",
            f"cp {chosen} {_SCHEMAS}/",
            f"glib-compile-schemas {_SCHEMAS}",
        ],
    )


_UNITS = Many(Text(pattern=NAME, expected=A_NAME), "Names of units.")
_SCOPE = Record({"enabled": _UNITS, "disabled": _UNITS, "masked": _UNITS, "unmasked": _UNITS})

SYSTEMD = ModuleType(
    "systemd",
    versions(
        "systemd",
        keys_of(
            "systemd",
            "Enables, disables and masks units. Unit files of your own come with the files module.",
            {
                "system": Record(_SCOPE.fields, "Units of the system."),
                "user": Record(_SCOPE.fields, "Units of users, for all of them."),
            },
        ),
    ),
    needs="`systemctl`; unit files come with the `files` module",
    emit=_systemd,
)
KARGS = ModuleType(
    "kargs",
    versions(
        "kargs",
        keys_of(
            "kargs",
            "Arguments of the kernel.",
            {
                "arch": Text(
                    "Architectures that they are for; all where there is none.", pattern=ONE_LINE, expected="one line"
                ),
                "kargs": Many(Text(pattern=ONE_LINE, expected="one line"), "The arguments.", at_least=1),
            },
            required=("kargs",),
        ),
    ),
    needs="a base image that boots with bootc",
    emit=_kargs,
)
OS_RELEASE = ModuleType(
    "os-release",
    versions(
        "os-release",
        keys_of(
            "os-release",
            "Fields of os-release: what the system says of itself.",
            {
                "properties": Table(
                    Text(pattern=f"(?:{ONE_LINE})?", expected="one line"),
                    "The fields to set.",
                    keys=r"[A-Z][A-Z0-9_]*",
                    expected="capital letters, digits and _",
                )
            },
            required=("properties",),
        ),
    ),
    needs="`sed`",
    emit=_os_release,
)
INITRAMFS = ModuleType(
    "initramfs",
    versions("initramfs", keys_of("initramfs", "Builds the initial RAM disk anew.", {})),
    needs="`dracut`",
    emit=_initramfs,
)
GSCHEMA_OVERRIDES = ModuleType(
    "gschema-overrides",
    versions(
        "gschema-overrides",
        keys_of(
            "gschema-overrides",
            "Settings of GTK desktops.",
            {
                "include": Many(
                    Text(
                        pattern=r"[A-Za-z0-9_.+-]+\.gschema\.override", expected="the name of a .gschema.override file"
                    ),
                    "Files below `files/gschema-overrides/`; all of them where there are none.",
                )
            },
        ),
    ),
    needs="`glib-compile-schemas`; `files/gschema-overrides/` of the repository",
    emit=_gschema_overrides,
)
