"""Image builds that somebody asks for: triggered, cancelled, run again (spec: Exousia, trigger rules).

They run as a workflow on GitHub Actions, in the operator's repository. A build is accepted only when it can run: where
no token or no repository is set nothing is written down, so no build waits for a setting that may never come.
"""

from dataclasses import dataclass, replace
from typing import Final

from sqlalchemy import update

from libs.common import audit, metrics
from libs.common.audit import Actor
from libs.common.database import Database, utcnow
from libs.common.errors import Conflict
from libs.common.http.errors import Detail, invalid
from libs.common.http.principal import Principal
from libs.common.jobs.service import Jobs
from libs.common.jobs.view import LiveJob
from services.builds.errors import (
    GitHubNotConfigured,
    InvalidFilename,
    InvalidRecipe,
    NoDefinitionFits,
    NotCancellable,
    NothingToBuild,
    NotRerunnable,
    UnknownDefinition,
)
from services.builds.models import Build
from services.builds.recipes import definition, pick_definition
from services.builds.schemas.image_builds import NewImageBuild
from services.builds.service.catalogue import Catalogue, Found, numbered_build
from services.builds.service.configurations import Configurations
from services.builds.service.history import add_state
from services.builds.service.live import build_changed
from services.builds.service.recipes import Recipes
from services.builds.service.refs import build_to_change
from services.builds.service.runs import Ref
from services.builds.service.workflows import Workflows, check_inputs
from services.builds.settings import GitHubSettings
from services.builds.states import ENDED, BuildStatus, Executor

PLATFORM: Final = "bootc"
"""Where the images of recipes run: their cells of the matrix stand beside those of pipelines' aws, azure and so on."""


@dataclass(frozen=True, slots=True)
class Order:
    """What is to be built: the recipe, and what it is built for.

    `config_id` None: of no saved configuration. `was_picked`: nobody named the recipe, it fits what was asked for.
    """

    recipe: str
    image_type: str
    fedora_version: str
    enable_plymouth: bool
    window_manager: str | None
    desktop_environment: str | None
    config_id: int | None = None
    was_picked: bool = False

    def inputs(self) -> dict[str, str]:
        """The inputs of the workflow, all text as GitHub wants them."""
        values = {
            "image_type": self.image_type,
            "distro_version": self.fedora_version,
            "enable_plymouth": "true" if self.enable_plymouth else "false",
            "yaml_content": self.recipe,
            "window_manager": self.window_manager,
            "desktop_environment": self.desktop_environment,
        }
        return {name: value for name, value in values.items() if value is not None}


class ImageBuilds:
    """What people do with image builds."""

    def __init__(
        self,
        database: Database,
        jobs: Jobs,
        catalogue: Catalogue,
        configurations: Configurations,
        recipes: Recipes,
        workflows: Workflows,
        settings: GitHubSettings,
    ) -> None:
        self._database = database
        self._jobs = jobs
        self._catalogue = catalogue
        self._configurations = configurations
        self._recipes = recipes
        self._workflows = workflows
        self._settings = settings

    async def trigger(self, principal: Principal, actor: Actor, asked: NewImageBuild) -> tuple[Found, LiveJob]:
        """Make a build and the job that dispatches it; it belongs to the caller, a static key's is shared.

        Raises UnknownConfiguration, InvalidFilename, UnknownDefinition, NothingToBuild, NoDefinitionFits,
        InvalidRecipe, InputsTooLarge, Invalid for a ref that is no branch or tag, and GitHubNotConfigured.
        """
        ref = _branch_or_tag(asked.ref)
        order = await self._order(principal, asked)
        inputs = order.inputs()
        check_inputs(inputs)
        run_repository = self._run_repository()
        async with self._database.transaction() as tx:
            number, job = await self._workflows.start(
                tx,
                owner=principal.user_id,
                run_repository=run_repository,
                ref=ref,
                inputs=inputs,
                actor=actor.name,
                platform=PLATFORM,
                os_version=order.fedora_version,
                image_type=order.image_type,
                enable_plymouth=order.enable_plymouth,
                config_id=order.config_id,
                timeout_s=asked.timeout_s,
                request_id=actor.request_id,
            )
            made = await numbered_build(tx, principal, number)
            subject = ("build", made.row.uid)
            await audit.record(tx, actor, "build.triggered", subject, ref=ref, job_id=str(job.view.id))
        await self._jobs.announce([job])
        return made, job

    async def cancel(self, principal: Principal, actor: Actor, number: int) -> LiveJob | None:
        """Cancel a build; answers its job, which ends when its work is undone. None: there was no job, it has ended.

        A build that only reports is ended here and takes no more states; whoever runs it is not told. Raises
        UnknownBuild, NotCancellable, and SharedIsReadOnly for a shared one of these.
        """
        row = (await self._catalogue.numbered(principal, number)).row
        if row.status in ENDED:
            raise _ended(row.status)
        if row.job_id is not None:
            try:
                return await self._jobs.cancel(row.job_id, actor)
            except Conflict as error:  # it ended just now
                status = (await self._catalogue.numbered(principal, number)).row.status
                raise _ended(status) from error
        async with self._database.transaction() as tx:
            build = await build_to_change(tx, principal, row.uid)
            if build.status in ENDED:
                raise _ended(build.status)
            now = utcnow()
            values = {"status": BuildStatus.CANCELLED.value, "finished_at": now, "updated_at": now}
            await tx.execute(update(Build).where(Build.id == build.id).values(values))
            cancelled, code = BuildStatus.CANCELLED, build.state_code
            await add_state(tx, build.id, None, cancelled, code, actor=actor.name, message="Build cancelled")
            await audit.record(tx, actor, "build.cancelled", ("build", build.uid))
            ended = (await numbered_build(tx, principal, build.id)).row
        metrics.BUILDS.labels(ended.executor, ended.status).inc()
        await self._jobs.tell([build_changed(ended)])
        return None

    async def rerun(self, principal: Principal, actor: Actor, number: int, *, failed_only: bool) -> LiveJob:
        """Run an ended build again: its workflow run where it has one, else by a new job that does the same.

        Raises UnknownBuild, BuildNotEnded, Conflict (JOB_NOT_ENDED), and NotRerunnable for a build that its pipeline
        runs, or whose failed jobs are not GitHub's.
        """
        row = (await self._catalogue.numbered(principal, number)).row
        if failed_only or (row.executor == Executor.GITHUB and row.run_id is not None):
            return await self._workflows.rerun(principal, actor, number, failed_only=failed_only)
        if row.job_id is None:
            raise NotRerunnable("This build is run by its pipeline: start it there")
        return await self._jobs.retry(row.job_id, actor)

    # --- what is built ----------------------------------------------------------------------------------------------

    async def _order(self, principal: Principal, asked: NewImageBuild) -> Order:
        """Find the recipe and make it what was asked for; raises as `trigger` says."""
        order = await self._chosen(principal, asked)
        check_inputs(order.inputs())  # what GitHub will not take is not read first
        if errors := (await self._recipes.validate(order.recipe)).errors:
            raise InvalidRecipe(f"Invalid YAML: {', '.join(errors)}")
        has_desktop = "bootc" in order.image_type and (asked.window_manager or asked.desktop_environment)
        if not (order.was_picked or has_desktop):
            return order
        recipe = await self._recipes.customise(
            order.recipe,
            image_version=order.fedora_version if order.was_picked else None,
            enable_plymouth=order.enable_plymouth if order.was_picked else None,
            window_manager=asked.window_manager,
            desktop_environment=asked.desktop_environment,
        )
        return replace(order, recipe=recipe)

    async def _chosen(self, principal: Principal, asked: NewImageBuild) -> Order:
        """Of the ways to name a recipe, the first that is given."""
        order = Order(
            recipe="",
            image_type=asked.image_type,
            fedora_version=asked.fedora_version,
            enable_plymouth=asked.enable_plymouth,
            window_manager=asked.window_manager,
            desktop_environment=asked.desktop_environment,
        )
        if asked.config_id is not None:
            saved = await self._configurations.get(principal, asked.config_id)
            return replace(
                order,
                recipe=saved.yaml_content,
                image_type=saved.image_type,
                fedora_version=saved.fedora_version,
                enable_plymouth=saved.enable_plymouth,
                config_id=saved.id,
            )
        if asked.definition_filename is not None:
            return replace(order, recipe=_definition(asked.definition_filename))
        if asked.yaml_content is not None:
            return replace(order, recipe=asked.yaml_content)
        return replace(order, recipe=_picked(asked), was_picked=True)

    def _run_repository(self) -> str:
        repository = self._settings.repository
        if not self._settings.configured or repository is None:
            raise GitHubNotConfigured(
                "GitHub token not configured: the operator sets GITHUB_TOKEN (or a GitHub App) and GITHUB_REPO"
            )
        return repository


def _branch_or_tag(text: str) -> str:
    """The short name of a branch or tag, as GitHub dispatches on; raises Invalid."""
    try:
        ref = Ref.parse(text)
    except ValueError as error:
        raise invalid([Detail(["body", "ref"], str(error), "value_error")]) from None
    name = ref.branch or ref.tag
    if name is None:
        raise invalid([Detail(["body", "ref"], "GitHub runs workflows of branches and tags only", "value_error")])
    return name


def _definition(filename: str) -> str:
    if "/" in filename or "\\" in filename or ".." in filename:
        raise InvalidFilename("Invalid definition filename")
    text = definition(filename)
    if text is None:
        raise UnknownDefinition(f"Definition file '{filename}' not found")
    return text


def _picked(asked: NewImageBuild) -> str:
    """The definition that fits the system or desktop which was asked for."""
    if not (asked.os or asked.desktop_environment or asked.window_manager):
        raise NothingToBuild("config_id, yaml_content, or definition_filename must be provided")
    filename = pick_definition(
        os=asked.os,
        desktop_environment=asked.desktop_environment,
        window_manager=asked.window_manager,
        image_type=asked.image_type,
    )
    text = None if filename is None else definition(filename)
    if text is None:
        raise NoDefinitionFits("Could not auto-select YAML definition: name one as definition_filename")
    return text


def _ended(status: str) -> NotCancellable:
    return NotCancellable(f"Cannot cancel build in status: {status}")
