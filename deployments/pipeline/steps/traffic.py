"""Pointing the proxy at the new container, and making sure that it was right to do so."""

from collections.abc import Callable

from django.conf import settings

from deployments.pipeline import hooks, routes
from deployments.pipeline.context import Context
from deployments.pipeline.health import probe, probe_site
from deployments.pipeline.progress import DONE, Done, Progress, StepFailed, Wait, step
from deployments.pipeline.proxies.base import PortTaken, ProxyRefused, Route
from deployments.pipeline.runtimes.base import Container
from deployments.pipeline.steps import certificates
from deployments.pipeline.steps.container import say_last_lines
from deployments.states import Kind
from instances.states import Kind as Place

DRAIN_SECONDS = 5
LOOK_SECONDS = 1.0


def switch_back(ctx: Context) -> Progress:
    """Give the traffic back to what was live before, or to nobody."""
    if "public_port" not in ctx.facts:
        return DONE
    route, live = _route(ctx), ctx.environment.live_release
    if ctx.environment.live_port is None or live is None:
        ctx.proxy.remove(route.site)
        return DONE
    ctx.proxy.apply(
        routes.route_of(
            ctx.environment,
            live,
            public_port=ctx.facts["public_port"],
            upstream_port=ctx.environment.live_port,
        )
    )
    site = ctx.proxy.status().get(route.site)
    if site is not None and site.in_flight.get(route.upstream_port) and ctx.seconds_undoing() < DRAIN_SECONDS:
        return Wait(0.2)
    return DONE


@step("proxy", "Configure NGINX", timeout=300, undo=switch_back)
def switch(ctx: Context) -> Progress:
    """Send new requests to the new container; the one before stays as the fallback."""
    if "public_port" not in ctx.facts:
        _choose_public_port(ctx)
    route = _route(ctx)
    progress = certificates.ensure(ctx, route)
    if isinstance(progress, Wait):
        return progress
    if route.fallback_port is not None and not ctx.deployment.traffic_moved:
        ctx.claim.update(traffic_moved=True)
        ctx.deployment.traffic_moved = True
    try:
        if ctx.deployment.instance.kind == Place.LOCAL:
            # A program of our own, which may have to be started first.
            ctx.proxy.ensure()
        ctx.proxy.apply(route)
    except PortTaken as error:
        raise StepFailed("port_taken", str(error)) from error
    except ProxyRefused as error:
        raise StepFailed("proxy_failed", str(error)) from error
    url = ctx.proxy.address(route)
    ctx.remember(url=url)
    who = "The portal's own proxy" if ctx.deployment.instance.kind == Place.LOCAL else "NGINX"
    return Done(f"{who} sends {url} to 127.0.0.1:{route.upstream_port}.")


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
    through = probe_site(ctx.host, site.route, path, basic_auth=_route(ctx).basic_auth)
    _check_image(ctx, container)
    if container is None or not container.running or container.restarts or not (direct.ok and through.ok):
        return _doubt(ctx, f"{direct if not direct.ok else through}")
    if ctx.step.data.get("doubts"):
        ctx.keep(doubts=0)
    if ctx.seconds_in_step() < _watch_seconds(ctx):
        return Wait(LOOK_SECONDS)
    after = hooks.run_post_deploy(ctx, ctx.deployment.release)
    if isinstance(after, Wait):
        return after
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


def _check_image(ctx: Context, container: Container | None) -> None:
    """What really runs must be the release, whatever its container is called."""
    assert ctx.deployment.release is not None
    wanted = ctx.deployment.release.image_digest
    if container is not None and container.image_digest and container.image_digest != wanted:
        raise StepFailed(
            "wrong_container", f"{container.name} runs {container.image_digest[:19]}, not {wanted[:19]}."
        )


def _choose_public_port(ctx: Context) -> None:
    """The environment keeps its port for good; a new one gets a free port of the range."""
    try:
        port = routes.hold_public_port(ctx.environment, usable=_usable(ctx))
    except routes.NoPublicPort:
        raise StepFailed("no_port", "No public port is free.") from None
    ctx.remember(public_port=port)


def _usable(ctx: Context) -> Callable[[int], bool]:
    """Port 80 is NGINX's own on a machine where it stands in front."""
    if ctx.deployment.instance.kind == Place.LOCAL:
        return ctx.host.free_port
    return lambda port: port == routes.HTTP or ctx.host.free_port(port)


def _route(ctx: Context) -> Route:
    assert ctx.deployment.release is not None
    return routes.route_of(
        ctx.environment,
        ctx.deployment.release,
        public_port=ctx.facts["public_port"],
        upstream_port=ctx.facts["host_port"],
        fallback_port=ctx.environment.live_port,
    )
