"""Tables of the builds slice, by subject. An owner is a plain user id; None is shared."""

from services.builds.models.builds import Build, BuildState
from services.builds.models.configurations import Configuration, ConfigurationVersion
from services.builds.models.deliveries import Delivery
from services.builds.models.images import AxisValue, Promotion
from services.builds.models.reports import BuildArtifact, BuildFailure, BuildVariable
from services.builds.models.repositories import Repository

__all__ = [
    "AxisValue",
    "Build",
    "BuildArtifact",
    "BuildFailure",
    "BuildState",
    "BuildVariable",
    "Configuration",
    "ConfigurationVersion",
    "Delivery",
    "Promotion",
    "Repository",
]
