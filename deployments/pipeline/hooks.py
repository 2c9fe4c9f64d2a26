"""The application's own commands at four moments of a deployment, and its tests."""

from deployments import snapshots
from deployments.models import Release
from deployments.pipeline import names
from deployments.pipeline.context import Context
from deployments.pipeline.progress import DONE, Progress, StepFailed, Wait
from deployments.pipeline.run_configs import effective
from deployments.pipeline.run_specs import run_spec
from deployments.pipeline.runtimes.base import RunSpec

LAST_LINES = 5
OUTPUT_LOOKED_AT = 4000


def run_pre_build(ctx: Context, image: str) -> Progress:
    """Run in the base image, with the checkout to write to, before an image is built of it."""
    command = effective(ctx.deployment).hooks.get("pre_build", "")
    if (
        not command
        or ctx.facts.get("pre_build_done")
        or (not ctx.has_job("pre_build") and ctx.runtime.find_image(image) is not None)
    ):
        return DONE
    base = ctx.facts["base_images"][-1]
    fetched = ctx.runtime.pull(ctx, base)
    if isinstance(fetched, Wait):
        return fetched
    mount = f"{ctx.host.root}/{ctx.facts['checkout']}"
    progress = _run(ctx, "pre_build", command, _passing_spec(ctx, base, "pre-build"), mount=mount)
    if not isinstance(progress, Wait):
        ctx.remember(pre_build_done=True)
    return progress


def run_tests(ctx: Context) -> Progress:
    """Run the test command in the built image; what fails there never goes live."""
    command = effective(ctx.deployment).test_command
    if not command:
        return DONE
    spec = _passing_spec(ctx, ctx.facts["image"], "tests")
    return _run(ctx, "tests", command, spec, code="tests_failed")


def run_pre_deploy(ctx: Context, release: Release) -> Progress:
    """Run in the new image with the release's variables, before its container starts."""
    return _in_release(ctx, "pre_deploy", release)


def run_post_deploy(ctx: Context, release: Release) -> Progress:
    """Run once the new version has the traffic and is well."""
    return _in_release(ctx, "post_deploy", release)


def run_on_failure(ctx: Context) -> Progress:
    """Run once everything is undone; whether it works changes nothing."""
    release = ctx.deployment.release
    if release is None or not effective(ctx.deployment).hooks.get("on_failure"):
        return DONE
    if ctx.runtime.find_image(release.image) is None:
        return DONE
    try:
        return _in_release(ctx, "on_failure", release)
    except StepFailed as failure:
        ctx.say(f"The command for failures failed itself. {failure.detail}", level="warning")
        return DONE


def _in_release(ctx: Context, moment: str, release: Release) -> Progress:
    command = effective(ctx.deployment).hooks.get(moment, "")
    if not command:
        return DONE
    name = f"{names.container_name(ctx.deployment)}-{moment.replace('_', '-')}"
    spec = run_spec(release, name=name, host_port=0, labels=names.once_labels(ctx.deployment))
    return _run(ctx, moment, command, spec)


def _passing_spec(ctx: Context, image: str, purpose: str) -> RunSpec:
    config = effective(ctx.deployment)
    return RunSpec(
        name=f"{names.container_name(ctx.deployment)}-{purpose}",
        image=image,
        host_port=0,
        container_port=config.container_port or ctx.facts.get("container_port", 8000),
        memory_mb=config.memory_mb,
        cpus=float(config.cpus),
        labels=names.once_labels(ctx.deployment),
        variables={**config.variables, **snapshots.take(ctx.environment)},
    )


def _run(
    ctx: Context, job: str, command: str, spec: RunSpec, *, code: str = "hook_failed", mount: str = ""
) -> Progress:
    if not ctx.has_job(job):
        ctx.say(f"{job.replace('_', '-')}: {command}")
    try:
        return ctx.runtime.run_once(ctx, job, spec, command, code=code, mount=mount)
    except StepFailed as failure:
        if failure.code != code:
            raise
        said = ctx.job_output(job, last=OUTPUT_LOOKED_AT).strip().splitlines()[-LAST_LINES:]
        what = f"{job.replace('_', '-')} ended with exit code {failure.evidence.get('exit_code')}."
        raise StepFailed(code, "\n".join([what, *said]), **failure.evidence) from None
