"""Building the image, and starting a container beside the one that is live."""

from decimal import Decimal
from typing import Any

from django.conf import settings
from django.db import transaction
from django.db.models import Max

from deployments import snapshots
from deployments.models import Release
from deployments.pipeline import hooks, names, routes
from deployments.pipeline.context import Context
from deployments.pipeline.health import Probe, probe
from deployments.pipeline.progress import DONE, Done, Progress, StepFailed, Wait, step
from deployments.pipeline.run_configs import effective
from deployments.pipeline.run_specs import run_spec
from deployments.pipeline.runtimes.base import BuildSpec, Container
from instances import ports
from instances.states import Kind as Place

FIRST_LOOK_SECONDS = 0.05
LOG_TAIL = 200
# A worker may die between counting a start and starting.
STARTS_ALLOWED = 4


@step("build", "Build image", timeout=1200)
def build(ctx: Context) -> Progress:
    """Build the image unless one of the same commit and configuration is there."""
    given = ctx.deployment.options.get("image", "")
    image = given or names.image_name(ctx.deployment)
    if not given and isinstance(before := hooks.run_pre_build(ctx, image), Wait):
        return before
    progress = ctx.runtime.pull(ctx, given) if given else ctx.runtime.build(ctx, _build_spec(ctx, image))
    if isinstance(progress, Wait):
        return progress
    found = ctx.runtime.find_image(image)
    if found is None:
        raise StepFailed("build_failed", f"The build ended well, but there is no image {image}.")
    ctx.remember(image=image, image_digest=found.digest, image_size=found.size)
    tested = hooks.run_tests(ctx)
    return tested if isinstance(tested, Wait) else progress


def _build_spec(ctx: Context, image: str) -> BuildSpec:
    config = effective(ctx.deployment)
    return BuildSpec(
        image=image,
        checkout=ctx.facts["checkout"],
        dockerfile=config.dockerfile,
        build_args=names.build_args(ctx.deployment),
        no_cache=bool(ctx.deployment.options.get("no_cache")),
        container_port=ctx.facts.get("container_port", 8000),
        context=config.context,
    )


def remove_candidate(ctx: Context) -> Progress:
    """Take the new container away; whatever was live is another one."""
    container = ctx.facts.get("container")
    if container:
        ctx.runtime.remove(container)
    return DONE


@step("run", "Run container", timeout=600, undo=remove_candidate)
def run(ctx: Context) -> Progress:
    """Start the new container on a free loopback port, and wait until it answers there."""
    is_new = "container" not in ctx.facts
    if is_new:
        _choose_names(ctx)
    release = _ensure_release(ctx)
    container = None if is_new else ctx.runtime.inspect(ctx.facts["container"])
    if container is None:
        return _start(ctx, release)
    if not container.running or container.restarts:
        raise _exited(ctx, container)
    answer = probe(ctx.host, ctx.facts["host_port"], release.health_path)
    if answer.ok:
        if not release.health_path:
            Release.objects.filter(pk=release.pk, health_path="").update(health_path=answer.path)
            release.health_path = answer.path
        return Done(f"It answers {answer.path} on port {ctx.facts['host_port']} with HTTP {answer.status}.")
    return _wait_or_fail(ctx, container, answer)


def _choose_names(ctx: Context) -> None:
    """Store what the container will be called and where it will answer before it exists."""
    try:
        port = ports.reserve(
            ctx.deployment.instance,
            holder=ctx.deployment.uuid,
            candidates=_private_ports(ctx),
            usable=ctx.host.free_port,
        )
    except ports.NoFreePort:
        raise StepFailed("no_port", "No loopback port is free.") from None
    ctx.remember(container=names.container_name(ctx.deployment), host_port=port)


def _private_ports(ctx: Context) -> range:
    local: range = settings.LOCAL_PRIVATE_PORTS
    remote: range = settings.REMOTE_PRIVATE_PORTS
    return local if ctx.deployment.instance.kind == Place.LOCAL else remote


def _ensure_release(ctx: Context) -> Release:
    """The release that this deployment puts there; made once, never changed."""
    if ctx.deployment.release is not None:
        return ctx.deployment.release
    config, environment = effective(ctx.deployment), ctx.environment
    with transaction.atomic():
        last = Release.objects.filter(environment=environment).aggregate(n=Max("number"))["n"] or 0
        release = Release(
            environment=environment,
            number=last + 1,
            commit=ctx.deployment.commit,
            commit_subject=ctx.deployment.commit_subject,
            commit_author=ctx.facts.get("commit_author", ""),
            ref=ctx.deployment.ref or ctx.facts.get("ref", ""),
            runtime=ctx.runtime.key,
            image=ctx.facts["image"],
            image_digest=ctx.facts["image_digest"],
            image_size=ctx.facts["image_size"],
            container_port=config.container_port or ctx.facts.get("container_port", 8000),
            health_path=config.health_path,
            memory_mb=config.memory_mb,
            cpus=Decimal(config.cpus),
            variables_version=environment.variables_version,
            proxy=routes.snapshot(environment),
        )
        snapshots.store(release, {**config.variables, **snapshots.take(environment)})
        release.save()
        ctx.claim.update(release=release)
    ctx.deployment.release = release
    return release


def check_image(ctx: Context, release: Release) -> None:
    """Everything that the release is made of must be there before anything is touched."""
    found = ctx.runtime.find_image(release.image)
    if found is None:
        raise StepFailed("image_gone", f"The image {release.image} is not on the machine.")
    if release.image_digest and found.digest != release.image_digest:
        raise StepFailed(
            "image_gone",
            f"{release.image} is another image now: {found.digest[:19]}, not {release.image_digest[:19]}.",
        )


def _start(ctx: Context, release: Release) -> Progress:
    check_image(ctx, release)
    before = hooks.run_pre_deploy(ctx, release)
    if isinstance(before, Wait):
        return before
    starts = ctx.step.data.get("starts", 0)
    if starts >= STARTS_ALLOWED:
        raise StepFailed("container_exited", "The container disappeared each time it was started.")
    ctx.keep(starts=starts + 1)
    name, port = ctx.facts["container"], ctx.facts["host_port"]
    ctx.claim.check()
    ctx.runtime.start(run_spec(release, name=name, host_port=port, labels=names.labels(ctx.deployment)))
    ctx.say(
        f"Started {name} from {release.image} on 127.0.0.1:{port}; container port {release.container_port}."
    )
    return Wait(FIRST_LOOK_SECONDS)


def _wait_or_fail(ctx: Context, container: Container, answer: Probe) -> Progress:
    """Be patient until the time for becoming healthy is up; look often at first, then rarely."""
    waited = ctx.seconds_in_step()
    if waited < settings.HEALTH_CHECK_INTERVAL * settings.HEALTH_CHECK_RETRIES:
        if str(answer) != ctx.step.data.get("last_answer"):
            ctx.say(f"Not healthy yet: {answer}.")
            ctx.keep(last_answer=str(answer))
        return Wait(min(max(FIRST_LOOK_SECONDS, waited / 5), settings.HEALTH_CHECK_INTERVAL))
    say_last_lines(ctx)
    raise StepFailed(*_why_unhealthy(ctx, container, answer), **_evidence(ctx, container))


def _why_unhealthy(ctx: Context, container: Container, answer: Probe) -> tuple[str, str]:
    """The code and the words for what is wrong with a container that runs but does not answer."""
    seconds = settings.HEALTH_CHECK_INTERVAL * settings.HEALTH_CHECK_RETRIES
    if answer.status is not None:
        return "health_error", f"GET {answer.path} answered HTTP {answer.status} for {seconds} s."
    assert ctx.deployment.release is not None
    port = ctx.deployment.release.container_port if ctx.runtime.key == "docker" else ctx.facts["host_port"]
    listening = ", ".join(container.listening)
    if any(address.rsplit(":", 1)[-1] == str(port) for address in container.listening):
        if ctx.runtime.key == "docker":
            return "loopback_only", f"It listens on {listening}; it must listen on 0.0.0.0:{port}."
    elif container.listening:
        return "wrong_port", f"It listens on {listening}, and is asked on port {port}."
    return "unhealthy", f"No answer on port {port} within {seconds} s: {answer}."


def _exited(ctx: Context, container: Container) -> StepFailed:
    say_last_lines(ctx)
    if container.out_of_memory:
        assert ctx.deployment.release is not None
        limit = ctx.deployment.release.memory_mb
        return StepFailed("out_of_memory", f"Its limit is {limit} MB.", **_evidence(ctx, container))
    return StepFailed(
        "container_exited", f"It ended with exit code {container.exit_code}.", **_evidence(ctx, container)
    )


def say_last_lines(ctx: Context) -> None:
    """Put the container's own last words into the log before it is taken away."""
    text = ctx.runtime.logs(ctx.facts["container"], tail=LOG_TAIL)
    ctx.say(f"The last lines of {ctx.facts['container']}:", level="warning")
    ctx.say(text or "(it wrote nothing)", level="error")


def _evidence(ctx: Context, container: Container) -> dict[str, Any]:
    text = ctx.runtime.logs(ctx.facts["container"], tail=LOG_TAIL)
    return {
        "container_log": ctx.redact(text)[-20_000:],
        "exit_code": container.exit_code,
        "out_of_memory": container.out_of_memory,
        "listening": list(container.listening),
    }
