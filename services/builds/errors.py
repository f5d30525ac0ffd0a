"""What the builds slice refuses.

RequestError
├── WrongStateCode       400  a state code that is no multiple of five
├── InputsTooLarge       400  the workflow's inputs are more than GitHub takes
├── InvalidConfiguration 400  the recipe to be saved is not valid; the details list its problems
├── NotTranspilable      400  no Containerfile can be made of the recipe; the details list its problems
├── InvalidFilename      400  the name of an example definition is a path
├── NothingToBuild       400  a trigger names neither a recipe nor what to pick one by
├── NoDefinitionFits     400  no definition is for this system or desktop
├── InvalidRecipe        400  the recipe of a trigger cannot be used
├── NotCancellable       400  the build has ended
├── DeliveryRefused      401  the signature does not prove who sent it
├── LocalNotAllowed      403  the caller's code may not run as the worker does
├── SharedIsReadOnly     403  a shared repository is changed by superusers, a shared build or
│                             configuration by pipelines' keys too
├── UnknownForge         404  no forge of this name; the message lists the names
├── UnknownRepository    404  no such repository, or somebody else's; nothing behind this webhook address
├── UnknownDelivery      404  no such delivery, or one of somebody else's repository
├── UnknownSecret        404  the repository has no secret of this name or id
├── UnknownBuild         404  no such build, or somebody else's
├── UnknownArtifact      404  the build has no artifact of this id
├── UnknownVariable      404  the build has no variable of this name
├── UnknownConfiguration 404  no such configuration, or somebody else's
├── UnknownVersion       404  the configuration has no version of this number, or no more
├── UnknownDefinition    404  no example definition of this name
├── RepositoryExists     409  the owner has a repository of this name on this forge
├── RepositoryInactive   409  the repository is switched off
├── NotReplayable        409  what was refused, or said nothing, is not done again
├── RunFiltered          409  the repository's filters let no such run through
├── AmbiguousRepository  409  several repositories have this name; the details list them
├── TooManySecrets       409  the repository has as many secrets as it may
├── ConfigurationExists  409  the owner has a configuration of this name
├── BuildNotEnded        409  a build that runs is not retried
├── BuildExists          409  the owner has a build of this build_id with another content
├── BuildStandsFailed    409  a failed build takes no states until it is reset
├── BuildCompleted       409  a build that is delivered takes neither states nor failures
├── BuildCancelled       409  a cancelled build takes neither states nor failures
├── BuildNotFailed       409  a build that does not stand failed is not reset
├── BuildEndedWithJob    409  a build that failed with its job goes on by a retry of the job
├── TooManyFailures      409  the build stands failed for as many reasons as it may
├── TooManyArtifacts     409  the build has as many artifacts as it may
├── TooManyVariables     409  the build has as many variables as it may
├── NotRerunnable        409  the build has no run on GitHub that could be run once more
├── BuildGone            409  the build was deleted, by age
├── NotPromotable        409  the build is not good, or makes no image
├── NotPromoted          409  the build is not in this channel
├── RepositoryGone       409  the build's repository was deleted
├── RecipesBusy          503  too many long recipes are being read; try again
├── GitHubNotConfigured  503  no token or App, or no repository, for image builds
└── SecretsUnreadable    503  the stored secrets were sealed under another SECRET_KEY
"""

from libs.common.errors import BadRequest, Conflict, Forbidden, NotFound, Unauthenticated, Unavailable


class WrongStateCode(BadRequest):
    default_code = "INVALID_STATE_CODE"


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


class UnknownArtifact(NotFound):
    default_code = "ARTIFACT_NOT_FOUND"


class UnknownVariable(NotFound):
    default_code = "VARIABLE_NOT_FOUND"


class InvalidConfiguration(BadRequest):
    default_code = "INVALID_CONFIGURATION"


class NotTranspilable(BadRequest):
    default_code = "TRANSPILATION_FAILED"


class InvalidFilename(BadRequest):
    default_code = "INVALID_FILENAME"


class UnknownConfiguration(NotFound):
    default_code = "CONFIGURATION_NOT_FOUND"


class UnknownVersion(NotFound):
    default_code = "VERSION_NOT_FOUND"


class UnknownDefinition(NotFound):
    default_code = "DEFINITION_NOT_FOUND"


class ConfigurationExists(Conflict):
    default_code = "CONFIGURATION_EXISTS"


class RecipesBusy(Unavailable):
    default_code = "RECIPES_BUSY"


class InputsTooLarge(BadRequest):
    default_code = "INPUTS_TOO_LARGE"


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


class NotRerunnable(Conflict):
    default_code = "NOT_RERUNNABLE"


class BuildGone(Conflict):
    default_code = "BUILD_GONE"


class NotPromotable(Conflict):
    default_code = "NOT_PROMOTABLE"


class NotPromoted(Conflict):
    default_code = "NOT_PROMOTED"


class BuildExists(Conflict):
    default_code = "BUILD_EXISTS"


class BuildStandsFailed(Conflict):
    default_code = "BUILD_FAILED"


class BuildCompleted(Conflict):
    default_code = "BUILD_COMPLETED"


class BuildCancelled(Conflict):
    default_code = "BUILD_CANCELLED"


class BuildNotFailed(Conflict):
    default_code = "BUILD_NOT_FAILED"


class BuildEndedWithJob(Conflict):
    default_code = "BUILD_ENDED_WITH_JOB"


class TooManyFailures(Conflict):
    default_code = "TOO_MANY_FAILURES"


class TooManyArtifacts(Conflict):
    default_code = "TOO_MANY_ARTIFACTS"


class TooManyVariables(Conflict):
    default_code = "TOO_MANY_VARIABLES"


class NothingToBuild(BadRequest):
    default_code = "NOTHING_TO_BUILD"


class NoDefinitionFits(BadRequest):
    default_code = "NO_DEFINITION_FITS"


class InvalidRecipe(BadRequest):
    default_code = "INVALID_RECIPE"


class NotCancellable(BadRequest):
    default_code = "BUILD_ENDED"


class GitHubNotConfigured(Unavailable):
    default_code = "GITHUB_NOT_CONFIGURED"
