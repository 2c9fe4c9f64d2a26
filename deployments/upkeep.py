"""Brings one environment nearer to what people want of it: running, stopped, restarted, or gone."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from django.conf import settings
from django.db import transaction
from django.db.models import F

from deployments.health_record import set_health
from deployments.models import Deployment, Environment, Release
from deployments.pipeline import names, routes
from deployments.pipeline.health import probe
from deployments.pipeline.places import Place
from deployments.pipeline.proxies.base import PortTaken, ProxyRefused, Route, SiteStatus
from deployments.pipeline.proxies.nginx import NginxProxy
from deployments.pipeline.run_specs import run_spec
from deployments.pipeline.runtimes.base import Container, Runtime
from deployments.states import Health, Wanted
from instances import ports
from instances.states import Kind
from portal.core import audit
from portal.core.clock import database_now, now_plus

logger = logging.getLogger(__name__)

SOON_SECONDS = 1.0
# One missed answer may be chance.
FAILURES_ALLOWED = 1
# Alive but silent for this many checks: it is restarted as if it had ended.
SILENCES_ALLOWED = 6
DRAIN_SECONDS = 30
LONGEST_BACK_OFF = 300
RENEWED_BEFORE = timedelta(days=31)


@dataclass
class Upkeep:
    """One check of one environment."""

    environment: Environment
    place: Place
    found: Sequence[tuple[Runtime, Container]]

    def bring_about(self) -> None:
        environment = self.environment
        if environment.application.deleted_at is not None:
            self._clear_away()
            return
        self._retire_leftovers()
        if environment.live_release is None:
            self._plan_next(None)
        elif environment.wanted == Wanted.STOPPED:
            self._keep_stopped()
        else:
            self._keep_running()

    @property
    def runtime(self) -> Runtime:
        assert self.environment.live_release is not None
        return self.place.runtimes[self.environment.live_release.runtime]

    def _live(self) -> Container | None:
        return next((c for _, c in self.found if c.name == self.environment.live_container), None)

    def _retire_leftovers(self) -> None:
        """Stop what is no longer live, once it has answered its last request."""
        leftovers = [(r, c) for r, c in self.found if c.name != self.environment.live_container]
        if not leftovers:
            return
        site = self._site()
        for runtime, container in leftovers:
            if container.running and self._busy(site, container):
                self._plan_next(SOON_SECONDS)
            elif container.running:
                runtime.stop(container.name)
                self._plan_next(SOON_SECONDS)
            else:
                runtime.remove(container.name)
        self._give_ports_back()

    def _busy(self, site: SiteStatus | None, container: Container) -> bool:
        """Whether requests are under way to a container that lost the traffic; not for ever."""
        if site is None or container.host_port is None:
            return False
        if site.route.fallback_port is not None and self.environment.live_port:
            self._apply_route()
        since = self.environment.live_deployment.finished_at if self.environment.live_deployment else None
        patient = since is not None and (database_now() - since).total_seconds() < DRAIN_SECONDS
        return patient and bool(site.in_flight.get(container.host_port))

    def _give_ports_back(self) -> None:
        """The loopback ports of ended deployments, other than the one that is live."""
        live = self.environment.live_deployment
        ended = Deployment.objects.filter(environment=self.environment, finished_at__isnull=False)
        for uuid in (
            ended.exclude(pk=live.pk if live else 0).order_by("-id").values_list("uuid", flat=True)[:5]
        ):
            ports.release(self.environment.instance, holder=uuid)

    def _keep_running(self) -> None:
        environment = self.environment
        live = self._live()
        if environment.restart_asked:
            self._restart_as_asked(live)
        elif live is None or not live.running:
            self._restart_after_crash(live)
        else:
            self._look(live)
        self._keep_route()
        self._forget_old_releases()

    def _restart_as_asked(self, live: Container | None) -> None:
        """Stop it first; once it is gone, start it anew."""
        if live is not None and live.running:
            self.runtime.stop(live.name)
        else:
            self._start(live)
            Environment.objects.filter(pk=self.environment.pk).update(restart_asked=False)
        self._plan_next(SOON_SECONDS)

    def _restart_after_crash(self, live: Container | None) -> None:
        """Say that it ended, and start it again with a growing pause."""
        environment = self.environment
        code = "" if live is None or live.exit_code is None else f" with exit code {live.exit_code}"
        set_health(environment, Health.UNHEALTHY, f"It ended{code}; it is being restarted.")
        if environment.next_restart_at and database_now() < environment.next_restart_at:
            return
        back_off = min(2.0 ** min(environment.restarts + 1, 10), LONGEST_BACK_OFF)
        Environment.objects.filter(pk=environment.pk).update(
            restarts=F("restarts") + 1, next_restart_at=now_plus(timedelta(seconds=back_off))
        )
        audit.record(
            "environment.restarted",
            environment,
            by=None,
            team=environment.application.team,
            reason=f"It ended{code}.",
        )
        self._start(live)
        self._plan_next(SOON_SECONDS)

    def _start(self, live: Container | None) -> None:
        environment = self.environment
        assert environment.live_release is not None
        assert environment.live_deployment is not None
        assert environment.live_port is not None
        if live is not None:
            self.runtime.remove(live.name)
        labels = names.labels(environment.live_deployment)
        self.runtime.start(
            run_spec(
                environment.live_release,
                name=environment.live_container,
                host_port=environment.live_port,
                labels=labels,
            )
        )

    def _look(self, live: Container) -> None:
        """Ask it; a silent one is restarted after a while, a well one is forgiven its crashes."""
        environment = self.environment
        assert environment.live_release is not None
        assert environment.live_port is not None
        answer = probe(self.place.host, environment.live_port, environment.live_release.health_path)
        if answer.ok:
            well_since = environment.health_since
            calm = well_since is not None and (database_now() - well_since).total_seconds() > LONGEST_BACK_OFF
            if environment.restarts and calm and environment.health == Health.HEALTHY:
                Environment.objects.filter(pk=environment.pk).update(restarts=0, next_restart_at=None)
            set_health(environment, Health.HEALTHY, "")
            return
        failures = environment.failures + 1
        Environment.objects.filter(pk=environment.pk).update(failures=failures)
        if failures > FAILURES_ALLOWED:
            set_health(environment, Health.UNHEALTHY, str(answer), failures=failures)
        if failures > SILENCES_ALLOWED:
            self.runtime.stop(live.name)

    def _forget_old_releases(self) -> None:
        """Remove the images of releases beyond the newest few; the live one always stays."""
        kept = self.environment.releases.filter(kept=True, protected=False).order_by("-number")
        for release in kept[settings.KEPT_RELEASES :]:
            if release.pk != self.environment.live_release_id:
                self._forget(release)

    def _forget(self, release: Release) -> None:
        """A release without its image; other releases on the machine may stand on the same one."""
        Release.objects.filter(pk=release.pk).update(kept=False)
        shared = Release.objects.filter(
            environment__instance=self.environment.instance_id, image=release.image, kept=True
        )
        if not shared.exists():
            self.place.runtimes[release.runtime].remove_image(release.image)

    def _keep_stopped(self) -> None:
        live = self._live()
        if live is not None and live.running:
            self.runtime.stop(live.name)
            self._plan_next(SOON_SECONDS)
            return
        set_health(self.environment, Health.STOPPED, "")
        self._plan_next(60)

    def _keep_route(self) -> None:
        """The proxy may have been restarted, or still name the version before as the fallback."""
        site = self._site()
        wrong = (
            site is None or site.route.upstream_port != self.environment.live_port or site.route.fallback_port
        )
        if wrong:
            self._apply_route()
        self._keep_address()
        self._note_certificate()

    def _site(self) -> SiteStatus | None:
        self.place.proxy.ensure()
        return self.place.proxy.status().get(self.environment.uuid.hex)

    def _apply_route(self) -> None:
        try:
            self.place.proxy.apply(self._route())
        except (PortTaken, ProxyRefused) as error:
            set_health(self.environment, Health.UNHEALTHY, str(error))

    def _route(self) -> Route:
        environment = self.environment
        assert environment.public_port is not None
        assert environment.live_port is not None
        assert environment.live_release is not None
        return routes.route_of(
            environment,
            environment.live_release,
            public_port=environment.public_port,
            upstream_port=environment.live_port,
        )

    def _keep_address(self) -> None:
        """A machine may have got another address while it was stopped; its links follow."""
        environment = self.environment
        if environment.instance.kind == Kind.LOCAL:
            return
        url = self.place.proxy.address(self._route())
        if url == environment.url:
            return
        Environment.objects.filter(pk=environment.pk).update(url=url)
        audit.record(
            "environment.address_changed", environment, by=None, team=environment.application.team,
            before=environment.url, after=url,
        )  # fmt: skip

    def _note_certificate(self) -> None:
        """Until when it holds; looked at again while it is about to be renewed."""
        environment, proxy = self.environment, self.place.proxy
        kept = environment.live_release.proxy if environment.live_release else {}
        until = environment.certificate_until
        soon = until is None or until - database_now() < RENEWED_BEFORE
        if not (kept.get("https") and kept.get("hostnames") and isinstance(proxy, NginxProxy) and soon):
            return
        found = proxy.certificate_expiry(kept["hostnames"][0])
        if found != until:
            Environment.objects.filter(pk=environment.pk).update(certificate_until=found)

    def _clear_away(self) -> None:
        """The application was deleted: take everything of it from the machine, keep its history."""
        environment = self.environment
        self.place.proxy.ensure()
        self.place.proxy.remove(environment.uuid.hex)
        running = [(runtime, container) for runtime, container in self.found if container.running]
        for runtime, container in running:
            runtime.stop(container.name)
        for runtime, container in self.found:
            if not container.running:
                runtime.remove(container.name)
        if running:
            self._plan_next(SOON_SECONDS)
            return
        for release in environment.releases.filter(kept=True):
            self._forget(release)
        with transaction.atomic():
            ports.release(environment.instance, holder=environment.uuid)
            self._give_ports_back()
            if environment.live_deployment:
                ports.release(environment.instance, holder=environment.live_deployment.uuid)
            Environment.objects.filter(pk=environment.pk).update(
                next_check_at=None, live_release=None, live_deployment=None, live_container="", live_port=None,
                health=Health.NOTHING,
            )  # fmt: skip

    def _plan_next(self, seconds: float | None) -> None:
        at = None if seconds is None else now_plus(timedelta(seconds=seconds))
        Environment.objects.filter(pk=self.environment.pk).update(next_check_at=at)
