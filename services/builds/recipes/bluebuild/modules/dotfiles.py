"""The chezmoi module."""

from services.builds.recipes.bluebuild.module import Module, ModuleType, keys_of, versions
from services.builds.recipes.dotfiles import apply_dotfiles
from services.builds.recipes.shapes import Flag, Text

_WORD = r"[^\x00-\x20\x7f\x22'\\$-][^\x00-\x20\x7f\x22'\\$]*"
_TIME = r"[0-9][0-9a-z ]*"


def _chezmoi(module: Module) -> list[str]:
    return apply_dotfiles(module.keys)


CHEZMOI = ModuleType(
    "chezmoi",
    versions(
        "chezmoi",
        keys_of(
            "chezmoi",
            "Dotfiles from a repository, for each user.",
            {
                "repository": Text("The repository of the dotfiles.", pattern=_WORD, expected="an address"),
                "branch": Text("Its branch.", pattern=f"(?:{_WORD})?", expected="the name of a branch"),
                "all-users": Flag("For all users; else each user enables the units.", default=True),
                "run-every": Text("How often to update.", pattern=_TIME, expected="a time such as 1d", default="1d"),
                "wait-after-boot": Text(
                    "How long after boot at first.", pattern=_TIME, expected="a time such as 5m", default="5m"
                ),
                "disable-init": Flag("Do not make the dotfiles at log-in.", default=False),
                "disable-update": Flag("Do not update them.", default=False),
                "file-conflict-policy": Text(
                    "What becomes of a file that a user changed.", choices=("skip", "replace"), default="skip"
                ),
            },
            required=("repository",),
        ),
    ),
    needs="`curl`: fetches the newest chezmoi from GitHub",
    emit=_chezmoi,
)
