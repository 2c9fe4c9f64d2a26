"""Pointing the proxy at the new container, and making sure that it was right to do so."""

from dataclasses import replace

from django.conf import settings

from deployments.pipeline.context import Context
from deployments.pipeline.health import probe
from deployments.pipeline.progress import DONE, Done, Progress, StepFailed, Wait, step
from deployments.pipeline.proxies.base import PortTaken, Route
from deployments.pipeline.steps.container import say_last_lines
from deployments.states import Kind
from instances import ports

DRAIN_SECONDS = 5
LOOK_SECONDS = 1.0


def switch_back(ctx: Context) -> Progress:
    """Give the traffic back to what was live before, or to nobody."""
    if "public_port" not in ctx.facts:
        return DONE
    route = _route(ctx)
    if ctx.environment.live_port is None:
        ctx.proxy.remove(route.site)
        return DONE
    ctx.proxy.apply(replace(route, upstream_port=ctx.environment.live_port, fallback_port=None))
    site = ctx.proxy.status().get(route.site)
    if site is not None and site.in_flight.get(route.upstream_port) and ctx.seconds_undoing() < DRAIN_SECONDS:
        return Wait(0.2)
    return DONE


@step("proxy", "Configure NGINX", timeout=60, undo=switch_back)
def switch(ctx: Context) -> Progress:
    """Send new requests to the new container; the one before stays as the fallback."""
    if "public_port" not in ctx.facts:
        _choose_public_port(ctx)
    route = _route(ctx)
    if route.fallback_port is not None and not ctx.deployment.traffic_moved:
        ctx.claim.update(traffic_moved=True)
        ctx.deployment.traffic_moved = True
    ctx.proxy.ensure()
    try:
        ctx.proxy.apply(route)
    except PortTaken as error:
        raise StepFailed("port_taken", str(error)) from error
    url = ctx.proxy.address(route)
    ctx.remember(url=url)
    return Done(f"The portal's own proxy sends {url} to 127.0.0.1:{route.upstream_port}.")


@step("health", "Health check", timeout=300)
def verify(ctx: Context) -> Progress:
    """Ask through the proxy; a version that replaces another one is watched for a while longer."""
    assert ctx.deployment.release is not None
    path = ctx.deployment.release.health_path
    site = ctx.proxy.status().get(ctx.environment.uuid.hex)
    if site is None or site.route.upstream_port != ctx.facts["host_port"]:
        raise StepFailed("proxy_failed", "The proxy does not send the traffic to the new container.")
    container = ctx.runtime.inspect(ctx.facts["container"])
    # Asked directly as well: through the proxy the version before would answer for a dead one.
    direct = probe(ctx.host, ctx.facts["host_port"], path)
    through = probe(ctx.host, ctx.facts["public_port"], path)
    if container is None or not container.running or container.restarts or not (direct.ok and through.ok):
        return _doubt(ctx, f"{direct if not direct.ok else through}")
    if ctx.step.data.get("doubts"):
        ctx.keep(doubts=0)
    if ctx.seconds_in_step() < _watch_seconds(ctx):
        return Wait(LOOK_SECONDS)
    return Done(f"{ctx.facts['url']} answers {path} with HTTP {through.status}.")


def _doubt(ctx: Context, trouble: str) -> Progress:
    """One bad answer may be chance; three in a row, or a container that ended, are not."""
    doubts = ctx.step.data.get("doubts", 0) + 1
    container = ctx.runtime.inspect(ctx.facts["container"])
    running = container is not None and container.running and not container.restarts
    if running and doubts < 3:
        ctx.keep(doubts=doubts)
        return Wait(LOOK_SECONDS)
    say_last_lines(ctx)
    code = (
        "died_after_switch"
        if ctx.deployment.traffic_moved
        else "unhealthy"
        if running
        else "container_exited"
    )
    why = (
        trouble if running else f"It ended with exit code {container.exit_code if container else 'unknown'}."
    )
    raise StepFailed(
        code,
        why,
        container_log=ctx.redact(ctx.runtime.logs(ctx.facts["container"]))[-20_000:],
        exit_code=container.exit_code if container else None,
    )


def _watch_seconds(ctx: Context) -> float:
    """A release that was live before has proved itself, and a first one replaces nobody."""
    if ctx.environment.live_release is None or ctx.deployment.kind == Kind.ROLLBACK:
        return 0
    seconds: int = settings.PROVING_SECONDS
    return seconds


def _choose_public_port(ctx: Context) -> None:
    """The environment keeps its port for good; a new one gets a free port of the range."""
    environment = ctx.environment
    wanted = [environment.public_port] if environment.public_port else settings.LOCAL_PUBLIC_PORTS
    try:
        port = ports.reserve(
            environment.instance, holder=environment.uuid, candidates=wanted, usable=ctx.host.free_port
        )
    except ports.NoFreePort:
        raise StepFailed("no_port", "No public port is free.") from None
    ctx.remember(public_port=port)


def _route(ctx: Context) -> Route:
    return Route(
        site=ctx.environment.uuid.hex,
        public_port=ctx.facts["public_port"],
        upstream_port=ctx.facts["host_port"],
        fallback_port=ctx.environment.live_port,
    )
