"""The signing module."""

from collections.abc import Iterator

from services.builds.recipes.containerfile import copy
from services.builds.recipes.exousia.module import Image, Keys, ModuleType, keys_of, line_of

_KEYS = "/etc/pki/containers/"
_POLICY = "/etc/containers/policy.json"


def _emit(keys: Keys, _: Image) -> Iterator[str]:
    """Put the public key and the policy where containers-policy.json(5) has them.

    Nothing is signed here: that is done to the finished image, with the private key, by who pushes it.
    """
    if key := keys.get("cosign-key"):
        yield copy(key, _KEYS, mode="0644")
    if policy := keys.get("policy-file"):
        yield copy(policy, _POLICY, mode="0644")


SIGNING = ModuleType(
    "signing",
    keys_of(
        "signing",
        "Lets the image check the signatures of the images that it is updated to.",
        {
            "cosign-key": line_of("The public key, from the root of the repository."),
            "policy-file": line_of("The policy.json, from the root of the repository."),
        },
    ),
    _emit,
)
