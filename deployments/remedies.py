"""What a page shows of a failure: its diagnoses, what the portal can do about each, and the dossier."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any
from urllib.parse import urlencode

from django.urls import reverse

from deployments import rules
from deployments.buttons import Button
from deployments.diagnosis.base import ANSI, Diagnosis
from deployments.diagnosis.base import Button as Wish
from deployments.diagnosis.of import diagnoses_of
from deployments.models import Deployment
from instances.queries import visible_instances
from portal.core.models import User

# The field of the settings that each wish leads to.
FIELDS = {
    "raise_memory": "memory_mb",
    "set_port": "container_port",
    "set_health_path": "health_path",
    "set_dockerfile": "dockerfile",
}


@dataclass(frozen=True)
class Remedy:
    """A button that posts, or a link to where people can do it."""

    label: str
    icon: str
    url: str
    button: Button | None = None


@dataclass(frozen=True)
class Finding:
    """A diagnosis with what can be done here and now."""

    diagnosis: Diagnosis
    remedy: Remedy | None


@dataclass(frozen=True)
class Dossier:
    """A failure as this person sees it."""

    deployment: Deployment
    user: User

    @cached_property
    def findings(self) -> list[Finding]:
        return [Finding(found, self._remedy(found.button)) for found in diagnoses_of(self.deployment)]

    @property
    def first(self) -> Finding | None:
        return next(iter(self.findings), None)

    @property
    def others(self) -> list[Finding]:
        return self.findings[1:]

    @cached_property
    def facts(self) -> list[tuple[str, str]]:
        """What was gathered, in words."""
        return list(_facts(self.deployment.evidence))

    @cached_property
    def texts(self) -> list[tuple[str, str]]:
        """What was printed, by where."""
        names = {
            "container_log": "The last lines of the container",
            "nginx_errors": "NGINX's own errors",
            "kernel": "What the kernel said",
            "health_answer": "What the health path answered",
        }
        texts = [(title, str(self.deployment.evidence.get(key) or "")) for key, title in names.items()]
        return [(title, ANSI.sub("", text)) for title, text in texts if text.strip()]

    def _remedy(self, wish: Wish | None) -> Remedy | None:
        return REMEDIES[wish.what](self, wish) if wish is not None else None

    def _retry(self, wish: Wish) -> Remedy | None:
        if rules.why_not_retry(self.user, self.deployment):
            return None
        url = reverse("deployment-retry", args=[self.deployment.short_id])
        return Remedy(
            wish.label, "retry", url, Button("remedy-retry", wish.label, "retry", url, tone="primary")
        )

    def _settings(self, wish: Wish) -> Remedy | None:
        """The settings, opened at the field: browsers open the fold around it and put the cursor there."""
        application = self.deployment.application
        if application.deleted_at is not None or not rules.can_edit(self.user, application):
            return None
        field = FIELDS.get(wish.what) or wish.arguments.get("field")
        anchor = f"id_{field}" if field else "settings"
        return Remedy(f"{wish.label}…", "settings", f"{application.get_absolute_url()}#{anchor}")

    def _branch(self, wish: Wish) -> Remedy | None:
        environment = self.deployment.environment
        if rules.why_not_start(self.user, environment):
            return None
        values = {
            "git_url": self.deployment.application.git_url,
            "name": self.deployment.application.name,
            "environment": environment.name,
            "branch": wish.arguments["branch"],
        }
        return Remedy(f"{wish.label}…", "rocket", f"{reverse('deploy')}?{urlencode(values)}")

    def _variables(self, wish: Wish) -> Remedy | None:
        application = self.deployment.application
        if application.deleted_at is not None or not rules.can_edit(self.user, application):
            return None
        return Remedy(f"{wish.label}…", "settings", self.deployment.environment.get_absolute_url())

    def _machine(self, wish: Wish) -> Remedy | None:
        instance = self.deployment.instance
        if not visible_instances(self.user).filter(pk=instance.pk).exists():
            return None
        return Remedy(f"Go to {instance.name}", "server", instance.get_absolute_url())


REMEDIES: dict[str, Callable[[Dossier, Wish], Remedy | None]] = {
    "retry": Dossier._retry,
    "raise_memory": Dossier._settings,
    "set_port": Dossier._settings,
    "set_health_path": Dossier._settings,
    "set_dockerfile": Dossier._settings,
    "open_settings": Dossier._settings,
    "use_branch": Dossier._branch,
    "open_variables": Dossier._variables,
    "reconcile_group": Dossier._machine,
    "clean_host": Dossier._machine,
    "restart_instance": Dossier._machine,
}


def _facts(evidence: dict[str, Any]) -> Iterator[tuple[str, str]]:
    if evidence.get("exit_code") is not None:
        yield "Exit code", str(evidence["exit_code"])
    if "out_of_memory" in evidence:
        yield "Killed for memory", "yes" if evidence["out_of_memory"] else "no"
    if evidence.get("restarts"):
        yield "Restarts", str(evidence["restarts"])
    if "listening" in evidence:
        yield "Listens on", ", ".join(map(str, evidence["listening"])) or "nothing"
    if evidence.get("container_port"):
        yield "Asked on port", str(evidence["container_port"])
    if evidence.get("paths"):
        yield "Paths", ", ".join(f"{path} → {status}" for path, status in evidence["paths"].items())
    for title, free, total in (
        ("Disk", "disk_free_mb", "disk_total_mb"),
        ("Memory", "memory_free_mb", "memory_mb"),
        ("Swap", "swap_free_mb", "swap_mb"),
    ):
        if evidence.get(total):
            yield title, f"{evidence.get(free, 0):,} MB free of {evidence[total]:,} MB"
    if evidence.get("engine"):
        yield "Docker", str(evidence["engine"])
    if evidence.get("commands"):
        yield "Commands", ", ".join(map(str, evidence["commands"]))
    if evidence.get("not_seen"):
        yield "Could not be asked", "; ".join(map(str, evidence["not_seen"]))
