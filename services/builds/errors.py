"""What the builds slice refuses.

RequestError
├── DeliveryRefused      401  the signature does not prove who sent it
├── LocalNotAllowed      403  the caller's code may not run as the worker does
├── SharedIsReadOnly     403  a shared repository is changed by superusers
├── UnknownForge         404  no forge of this name; the message lists the names
├── UnknownRepository    404  no such repository, or somebody else's; nothing behind this webhook address
├── UnknownDelivery      404  no such delivery, or one of somebody else's repository
├── UnknownSecret        404  the repository has no secret of this name or id
├── UnknownBuild         404  no such build, or somebody else's
├── RepositoryExists     409  the owner has a repository of this name on this forge
├── RepositoryInactive   409  the repository is switched off
├── NotReplayable        409  what was refused, or said nothing, is not done again
├── RunFiltered          409  the repository's filters let no such run through
├── AmbiguousRepository  409  several repositories have this name; the details list them
├── TooManySecrets       409  the repository has as many secrets as it may
├── BuildNotEnded        409  a build that runs is not retried
├── BuildGone            409  the build was deleted, by age
├── NotPromotable        409  the build is not good, or makes no image
├── NotPromoted          409  the build is not in this channel
├── RepositoryGone       409  the build's repository was deleted
└── SecretsUnreadable    503  the stored secrets were sealed under another SECRET_KEY
"""

from libs.common.errors import Conflict, Forbidden, NotFound, Unauthenticated, Unavailable


class UnknownForge(NotFound):
    default_code = "UNKNOWN_FORGE"


class UnknownRepository(NotFound):
    default_code = "REPOSITORY_NOT_FOUND"


class UnknownDelivery(NotFound):
    default_code = "DELIVERY_NOT_FOUND"


class UnknownSecret(NotFound):
    default_code = "SECRET_NOT_FOUND"


class UnknownBuild(NotFound):
    default_code = "BUILD_NOT_FOUND"


class DeliveryRefused(Unauthenticated):
    default_code = "INVALID_SIGNATURE"


class LocalNotAllowed(Forbidden):
    default_code = "LOCAL_NOT_ALLOWED"


class SharedIsReadOnly(Forbidden):
    default_code = "SUPERUSER_NEEDED"


class RepositoryExists(Conflict):
    default_code = "REPOSITORY_EXISTS"


class TooManySecrets(Conflict):
    default_code = "TOO_MANY_SECRETS"


class RepositoryInactive(Conflict):
    default_code = "REPOSITORY_INACTIVE"


class NotReplayable(Conflict):
    default_code = "NOT_REPLAYABLE"


class RunFiltered(Conflict):
    default_code = "RUN_FILTERED"


class AmbiguousRepository(Conflict):
    default_code = "AMBIGUOUS_REPOSITORY"


class RepositoryGone(Conflict):
    default_code = "REPOSITORY_GONE"


class SecretsUnreadable(Unavailable):
    default_code = "SECRETS_UNREADABLE"


class BuildNotEnded(Conflict):
    default_code = "BUILD_NOT_ENDED"


class BuildGone(Conflict):
    default_code = "BUILD_GONE"


class NotPromotable(Conflict):
    default_code = "NOT_PROMOTABLE"


class NotPromoted(Conflict):
    default_code = "NOT_PROMOTED"
