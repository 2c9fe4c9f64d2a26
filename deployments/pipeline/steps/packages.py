"""What the machine needs before anything can be built on it."""

from django.conf import settings

from deployments.pipeline.context import Context
from deployments.pipeline.progress import Done, Progress, Skipped, StepFailed, step
from deployments.pipeline.runtimes import docker


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
