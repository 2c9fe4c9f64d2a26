"""Looks at everything the portal needs and says what is broken and what to do."""

from django.conf import settings

from portal.checks import CLOUDS, MACHINE, SERVICES, Check, answer_all


def run() -> list[Check]:
    """Ask all questions, most important first."""
    return answer_all([*SERVICES, *MACHINE, *CLOUDS])


def exit_code(checks: list[Check]) -> int:
    """0 when all is well, else the code of the first thing that is broken."""
    return next((check.code for check in checks if not check.ok), 0)


def effective_settings() -> dict[str, str]:
    """Every variable the portal reads, and what was given for it; secrets are masked."""
    shown: dict[str, str] = settings.ENVIRONMENT.shown()
    return shown
