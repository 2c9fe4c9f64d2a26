"""What the log panel shows, and log text as HTML."""

from django import template
from django.utils.safestring import SafeString

from deployments.logs import ansi
from deployments.logs.lines import Line
from deployments.logs.panel import Panel
from deployments.models import Deployment

register = template.Library()


@register.simple_tag
def log_panel(deployment: Deployment) -> Panel:
    """The end of the log, by step, as a page shows it first."""
    return Panel(deployment)


@register.filter
def colours(text: str) -> SafeString:
    """Log text as HTML: escaped, with classes for its colours."""
    return ansi.to_html(text)


@register.filter
def milliseconds(line: Line) -> int:
    """When a line was written, as scripts count time."""
    return int(line.at.timestamp() * 1000)
