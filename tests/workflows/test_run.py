"""A build on GitHub Actions from its dispatch to its end, as long as nothing goes wrong."""

from services.builds.providers.github.actions import INPUT
from tests.fakegithub.forge import FakeGitHub
from tests.workflows.site import Site


async def test_a_build_is_dispatched_followed_and_ends_with_its_run(site: Site, github: FakeGitHub) -> None:
    """The run gets the build's inputs and mark; its steps become stage, progress and log; its log is appended."""
    async with site.worker():
        job = await site.trigger()
        run = await site.followed(job)
        build = await site.build(job)
        assert run.inputs == {"image_type": "fedora-bootc", INPUT: build.uid}
        assert (build.run_id, build.run_repository, build.status) == (run.id, "acme/images", "queued")
        run.advance()
        run.advance()
        await site.world.until(job, lambda now: now.view.stage is not None and now.view.progress > 0)
        assert (await site.build(job)).status == "in_progress"
        run.finish()
        ended = await site.world.ended(job)
    assert (ended.view.status, ended.view.exit_code, ended.view.progress) == ("success", 0, 100)
    build = await site.build(job)
    assert (build.status, build.state_code, build.conclusion) == ("success", 100, "success")
    assert build.commit_sha == run.sha
    assert len(github.done("dispatch")) == 1
    states = await site.states(job)
    assert [status for status, _ in states][:2] == ["pending", "queued"]
    assert [code for _, code in states] == sorted(code for _, code in states)
    log = await site.log(job)
    assert f"Run {run.id} on GitHub: {build.run_url}" in log
    assert any(line.startswith("  ✓ build / Build") for line in log)
    assert "::group::build / Build" in log
    assert log[log.index("::group::build / Build") :][:4] == [
        "::group::build / Build",
        "▸ Build",
        "output of Build",
        "::endgroup::",
    ]
