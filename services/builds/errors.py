"""What the builds slice refuses.

RequestError
├── UnknownForge        404  no forge of this name; the message lists the names
├── UnknownRepository   404  no repository behind this webhook address
├── DeliveryRefused     401  the signature does not prove who sent it
├── RepositoryExists    409  the owner has a repository of this name on this forge
└── BuildNotEnded       409  a build that runs is not retried
"""

from libs.common.errors import Conflict, NotFound, Unauthenticated


class UnknownForge(NotFound):
    default_code = "UNKNOWN_FORGE"


class UnknownRepository(NotFound):
    default_code = "REPOSITORY_NOT_FOUND"


class DeliveryRefused(Unauthenticated):
    default_code = "INVALID_SIGNATURE"


class RepositoryExists(Conflict):
    default_code = "REPOSITORY_EXISTS"


class BuildNotEnded(Conflict):
    default_code = "BUILD_NOT_ENDED"
