"""What the machine needs before anything can be built on it."""

import shlex

from django.conf import settings

from deployments.pipeline.context import Context
from deployments.pipeline.progress import Done, Progress, Skipped, StepFailed, Wait, step
from deployments.pipeline.runtimes import docker
from instances import bootstrap
from instances.hosts.base import HostError

SCRIPT = "bootstrap.sh"
CODES = {"apt_locked": "packages_locked", "disk_full": "disk_full", "unsupported_os": "unsupported_system"}
OUTPUT_LOOKED_AT = 8000
NGINX_LOOK = "nginx -v 2>&1 && { systemctl is-active nginx || pgrep -x nginx >/dev/null && echo active; }"


@step("docker", "Install Docker", timeout=60)
def find_engine(ctx: Context) -> Progress:
    """Use the engine of this machine where one answers; else applications run as processes."""
    wanted = ctx.deployment.release.runtime if ctx.deployment.release else settings.LOCAL_RUNTIME
    engine = None if wanted == "process" else docker.available(ctx.host)
    if engine is not None:
        ctx.remember(runtime="docker")
        return Done(f"Docker {engine.version} answers.")
    if wanted == "docker" or ctx.deployment.options.get("image"):
        raise StepFailed("no_engine", "No Docker engine answers on this machine.")
    ctx.remember(runtime="process")
    return Skipped("No Docker engine answers on this machine; the application runs as a process.")


@step("docker", "Install Docker", timeout=900)
def install_docker(ctx: Context) -> Progress:
    """Install the engine, and git, unless they are there; then fetch base images ahead of the build."""
    ctx.remember(runtime="docker")
    if not ctx.has_job("docker"):
        # Seen a moment ago, when we signed in.
        facts = ctx.deployment.instance.facts
        if facts.get("docker") and facts.get("git"):
            return Skipped(f"Docker {facts['docker']} is there already.")
    progress = _bootstrap(ctx, "docker", "docker", "git")
    if isinstance(progress, Wait):
        return progress
    engine = docker.available(ctx.host)
    if engine is None:
        raise StepFailed("packages_failed", "Docker was installed, but its engine does not answer.")
    _fetch_ahead(ctx)
    return Done(f"Docker {engine.version} answers.")


@step("nginx", "Install NGINX", timeout=600)
def install_nginx(ctx: Context) -> Progress:
    """Install the proxy unless it runs; a new machine gets its extras here as well."""
    if not ctx.has_job("nginx"):
        version = ctx.deployment.instance.facts.get("nginx")
        if version and not _extras_missing(ctx):
            return Skipped(f"NGINX {version} is there already.")
    progress = _bootstrap(ctx, "nginx", "nginx", *(["extras"] if settings.BOOTSTRAP_EXTRAS else []))
    if isinstance(progress, Wait):
        return progress
    look = ctx.call(["sh", "-c", NGINX_LOOK])
    if not look.ok:
        raise StepFailed("packages_failed", "NGINX was installed, but it does not run.")
    return Done(f"{look.out.split(chr(10))[0].strip()}, active.")


def _bootstrap(ctx: Context, job: str, *parts: str) -> Progress:
    """Run parts of the script that prepares a machine; it looks first, and waits for whoever is at it."""
    if not ctx.has_job(job):
        script = bootstrap.script(source=settings.DOCKER_SOURCE, extras=settings.BOOTSTRAP_EXTRAS)
        ctx.host.put(SCRIPT, script.encode(), mode=0o700)
    path = shlex.quote(f"{ctx.host.root}/{SCRIPT}")
    script = " && ".join(f"sh {path} {part}" for part in parts)
    try:
        return ctx.job(job, script, code="packages_failed")
    except StepFailed as failure:
        if failure.code != "packages_failed":
            raise
        raise _explained(ctx, job, failure) from None


def _explained(ctx: Context, job: str, failure: StepFailed) -> StepFailed:
    """What the script said last, as a code of ours."""
    said = bootstrap.failure_in(ctx.job_output(job, last=OUTPUT_LOOKED_AT))
    if said is None:
        return failure
    return StepFailed(CODES.get(said.word, "packages_failed"), said.sentence, **failure.evidence)


def _fetch_ahead(ctx: Context) -> None:
    """Pull base images while NGINX is installed; nobody waits for it, the build pulls what is missing."""
    images = ctx.facts.get("base_images", ())
    if not images or ctx.has_job("warm"):
        return
    path = shlex.quote(f"{ctx.host.root}/{SCRIPT}")
    ctx.job("warm", f"sh {path} warm {shlex.join(images)} || true")


def _extras_missing(ctx: Context) -> bool:
    if not settings.BOOTSTRAP_EXTRAS:
        return False
    try:
        return ctx.host.read("extras.done") is None
    except HostError:
        return True
