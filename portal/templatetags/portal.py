"""How pages show states, times, icons and texts to copy."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django import template
from django.contrib.messages import constants
from django.contrib.messages.storage.base import Message
from django.http import HttpRequest
from django.templatetags.static import static
from django.utils import timezone
from django.utils.html import format_html
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.safestring import SafeString

from deployments import states
from deployments.buttons import Button, deployment_buttons
from deployments.models import Deployment, Environment, Step
from instances.models import Instance
from instances.states import LOOKS as INSTANCE_LOOKS
from portal.core.models import User
from portal.core.states import Look

register = template.Library()

UNKNOWN = Look("muted", "circle", "")


@register.simple_tag
def icon(name: str, extra: str = "") -> SafeString:
    """An icon of the sprite, for eyes only; the text beside it carries the meaning."""
    classes = f"icon {extra}".strip() + (" spins" if name == "loader" else "")
    return format_html(
        '<svg class="{}" aria-hidden="true"><use href="{}#{}"></use></svg>',
        classes,
        static("icons/sprite.svg"),
        name,
    )


def look_and_label(row: Any) -> tuple[Look, str]:
    """How the state of this row looks, and its word."""
    if isinstance(row, Environment):
        return states.HEALTH_LOOKS.get(states.Health(row.health), UNKNOWN), row.get_health_display()
    looks: Any = {Deployment: states.LOOKS, Step: states.STEP_LOOKS, Instance: INSTANCE_LOOKS}[type(row)]
    return looks.get(row.status, UNKNOWN), row.get_status_display()


@register.simple_tag
def pill(row: Any) -> SafeString:
    """The state of a deployment, a step, an instance, or the health of an environment."""
    look, label = look_and_label(row)
    return _pill(look, label)


@register.simple_tag
def status_pill(status: str) -> SafeString:
    """The same for a bare deployment status."""
    return (
        _pill(states.LOOKS.get(states.Status(status), UNKNOWN), states.Status(status).label)
        if status
        else SafeString()
    )


def _pill(look: Look, label: str) -> SafeString:
    return format_html(
        '<span class="pill {}" title="{}">{}{}</span>', look.tone, look.sentence, icon(look.icon), label
    )


@register.simple_tag
def look(row: Any) -> Look:
    """Tone, icon and sentence of a row's state."""
    return look_and_label(row)[0]


@register.simple_tag
def when(moment: datetime | None, empty: str = "–") -> SafeString | str:
    """A moment: absolute without scripts, relative with them, absolute on hover."""
    if moment is None:
        return empty
    utc = timezone.localtime(moment, timezone.get_default_timezone())
    text = utc.strftime("%Y-%m-%d %H:%M UTC")
    return format_html(
        '<time datetime="{}" title="{}" data-relative>{}</time>',
        utc.isoformat(),
        utc.strftime("%Y-%m-%d %H:%M:%S UTC"),
        text,
    )


@register.filter
def duration(seconds: float | None) -> str:
    """42s, 1m 42s, 2h 03m."""
    if seconds is None:
        return ""
    whole = max(0, int(seconds))
    if whole < 60:
        return f"{whole}s"
    if whole < 3600:
        return f"{whole // 60}m {whole % 60:02}s"
    return f"{whole // 3600}h {whole % 3600 // 60:02}m"


@register.simple_tag
def took(row: Any) -> SafeString | str:
    """How long a deployment or a step took; one under way counts up by the server's clock."""
    if row.started_at is None:
        return ""
    if row.finished_at is not None:
        return duration((row.finished_at - row.started_at).total_seconds())
    seconds = (timezone.now() - row.started_at).total_seconds()
    return format_html('<span data-running-seconds="{}">{}</span>', int(seconds), duration(seconds))


@register.simple_tag
def copy(text: str, label: str = "") -> SafeString:
    """A button that copies."""
    return format_html(
        '<button type="button" class="copy" data-copy="{}" aria-label="{}" title="Copy">{}</button>',
        text, label or "Copy", icon("copy"),
    )  # fmt: skip


@register.filter
def short_commit(commit: str) -> str:
    return commit[:7]


@register.filter
def host_and_path(url: str) -> str:
    """A repository's address without its scheme, for narrow columns."""
    return url.partition("://")[2].removesuffix(".git") or url


@dataclass(frozen=True)
class Note:
    """A message that stays on the page."""

    tone: str
    text: str


@dataclass(frozen=True)
class SortedMessages:
    """Refusals and warnings stay; news goes away by itself."""

    notes: list[Note]
    toasts: list[str]


@register.simple_tag
def sort_messages(messages: Iterable[Message] | None) -> SortedMessages:
    """Split what there is to say into what stays and what goes away."""
    sorted_messages = SortedMessages([], [])
    for message in messages or ():
        if message.level >= constants.WARNING:
            tone = "bad" if message.level >= constants.ERROR else "warn"
            sorted_messages.notes.append(Note(tone, str(message)))
        else:
            sorted_messages.toasts.append(str(message))
    return sorted_messages


@register.simple_tag
def buttons_of(deployment: Deployment, user: User) -> list[Button]:
    """The header buttons of a deployment, for the admin's page of it."""
    return deployment_buttons(user, deployment)


@register.simple_tag(takes_context=True)
def back_address(context: dict[str, Any]) -> str:
    """The page that the person came from, when it is one of ours."""
    request: HttpRequest = context["request"]
    referer = request.headers.get("Referer", "")
    return referer if url_has_allowed_host_and_scheme(referer, {request.get_host()}) else ""
