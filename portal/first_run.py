"""What a new portal needs once: an administrator, a team, and this machine as an instance."""

import secrets

from django.db import transaction

from instances.actions import ensure_local_instance
from portal.core import audit
from portal.core.models import Membership, Role, Team, User

ADMINISTRATOR = "admin"
TEAM = "Default"
PASSWORD_BYTES = 15


def ensure_first_things() -> str | None:
    """Make what is missing; return the administrator's password when one was made, to be shown once."""
    with transaction.atomic():
        ensure_local_instance()
        if User.objects.exists():
            return None
        password = secrets.token_urlsafe(PASSWORD_BYTES)
        user = User.objects.create_superuser(ADMINISTRATOR, password=password)
        team, _ = Team.objects.get_or_create(slug="default", defaults={"name": TEAM})
        Membership.objects.create(user=user, team=team, role=Role.ADMIN)
        with audit.origin(surface="command"):
            audit.record("user.created", user, by=None, team=team, reason="first start")
    return password


def box(password: str, url: str) -> str:
    """The one place where the password is ever shown."""
    lines = [
        "The portal is new here. Sign in and change the password:",
        "",
        f"    {url}",
        f"    user      {ADMINISTRATOR}",
        f"    password  {password}",
        "",
        "It is shown only now. Lost it? manage.py changepassword admin",
    ]
    width = max(map(len, lines)) + 4
    rows = [f"│  {line.ljust(width - 4)}  │" for line in lines]
    return "\n".join(["┌" + "─" * width + "┐", *rows, "└" + "─" * width + "┘"])
