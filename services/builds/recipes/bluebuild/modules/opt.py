"""Room for packages that install into /opt, which is a link into /var on atomic images and so not part of the image."""

from collections.abc import Sequence

from services.builds.recipes.commands import write
from services.builds.recipes.shapes import Many, Text

_FOLDER = r"[A-Za-z0-9][A-Za-z0-9_.+-]*"
OPTFIX = Many(
    Text(pattern=_FOLDER, expected="the name of a folder"),
    "Folders of /opt that packages of this module install into; they move to /usr/lib/opt.",
)


def make_room_in_opt(folders: Sequence[str]) -> list[str]:
    """Write commands that put each folder into /usr/lib/opt, with a link in /opt that systemd makes again at boot.

    tmpfiles.d(5): `L+` replaces what stands in its way, so that an update of the image moves the link too.
    """
    commands = []
    for folder in folders:
        commands += [
            f"mkdir -p /var/opt /usr/lib/opt/{folder}",
            f"ln -sfn /usr/lib/opt/{folder} /var/opt/{folder}",
            *write(f"/usr/lib/tmpfiles.d/opt-{folder}.conf", [f"L+ /var/opt/{folder} - - - - /usr/lib/opt/{folder}"]),
        ]
    return commands
