"""What every page shows around its content."""

from dataclasses import dataclass

from django.conf import settings
from django.http import HttpRequest
from django.urls import reverse
from django.utils.functional import SimpleLazyObject

from portal.core.logcontext import request_id


@dataclass(frozen=True)
class Link:
    """One entry of the side navigation."""

    title: str
    icon: str
    url: str
    current: bool


@dataclass(frozen=True)
class Group:
    """Entries that belong together."""

    title: str
    links: list[Link]


# Title, icon, address name, and for whom: everybody, or people with access to the admin.
NAVIGATION = [
    (
        "Operate",
        [
            ("Overview", "home", "overview", False),
            ("Deploy", "rocket", "deploy", False),
            ("Applications", "layers", "applications", False),
            ("Deployments", "history", "deployments", False),
            ("Instances", "server", "instances", False),
        ],
    ),
    (
        "Access",
        [
            ("API tokens", "key", "tokens", False),
            ("Users", "users", "admin:core_user_changelist", True),
            ("Teams", "team", "admin:core_team_changelist", True),
            ("Audit log", "scroll", "admin:core_auditevent_changelist", True),
        ],
    ),
    (
        "System",
        [
            ("Doctor", "stethoscope", "system", False),
            ("API docs", "book", "/docs", False),
            ("Admin", "settings", "admin:index", True),
        ],
    ),
]


def shell(request: HttpRequest) -> dict[str, object]:
    """The navigation, the version, and the id by which this request is found in the server's log."""
    return {
        "navigation": SimpleLazyObject(lambda: navigation(request)),
        "portal_version": settings.VERSION,
        "request_id": request_id.get(),
    }


def navigation(request: HttpRequest) -> list[Group]:
    """The side navigation for this person, with the entry of this page marked."""
    staff = getattr(request.user, "is_staff", False)
    entries = [
        (
            title,
            [
                (name, icon, target if target.startswith("/") else reverse(target))
                for name, icon, target, admin in links
                if staff or not admin
            ],
        )
        for title, links in NAVIGATION
    ]
    here = _closest(request.path, [url for _, links in entries for _, _, url in links])
    return [
        Group(title, [Link(*link, current=link[2] == here) for link in links]) for title, links in entries
    ]


def _closest(path: str, urls: list[str]) -> str:
    """The longest address that the path begins with; the overview's only when it is the path itself."""
    fitting = [url for url in urls if path == url or (len(url) > 1 and path.startswith(url))]
    return max(fitting, key=len, default="")
