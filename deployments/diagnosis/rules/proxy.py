"""What NGINX says about an application behind it."""

from deployments.diagnosis.base import Button, Rule, saying
from deployments.diagnosis.codes import TRAFFIC

PLACES = ("nginx_errors", "detail")

RULES: tuple[Rule, ...] = (
    saying(
        22, TRAFFIC, r"upstream timed out|answered HTTP 504|504 Gateway Time-?out",
        title="The application answers too slowly for the proxy",
        meaning="NGINX waited for it as long as it may and then answered 504 itself.",
        fix="Raise the proxy's reading time in the environment's settings, or let the application answer sooner (load the model at the start, not at the first request). Then retry.",
        button=Button("Open the settings", "open_settings", {"field": ""}), places=PLACES,
    ),
    saying(
        22, TRAFFIC, r"client intended to send too large body(?:: (?P<bytes>\d+) bytes)?|answered HTTP 413|413 Request Entity Too Large",
        title="A request is larger than the proxy allows",
        meaning="NGINX refused it with 413 before the application saw it.",
        fix="Raise the largest body in the environment's proxy settings, then deploy again.",
        button=Button("Open the settings", "open_settings", {"field": ""}), places=PLACES,
    ),
    saying(
        22, TRAFFIC, r"connect\(\) failed \(111: (?:Unknown error|Connection refused)\) while connecting to upstream|upstream prematurely closed connection|no live upstreams|answered HTTP 502|502 Bad Gateway",
        title="The application behind the proxy is gone",
        meaning="NGINX found nobody at the application's port, or was cut off while it answered, and answered 502 itself.",
        fix="The application ended or restarts: read its last lines, push a fix, and deploy again.",
        places=PLACES,
    ),
)  # fmt: skip
