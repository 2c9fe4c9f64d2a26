"""What was seen of an application's health, and since when it has been so."""

import logging
from typing import Any

from django.db.models.functions import Now

from deployments.models import Environment
from deployments.states import Health

logger = logging.getLogger(__name__)


def set_health(environment: Environment, health: str, detail: str, *, failures: int | None = None) -> None:
    """Write down what was seen, and since when it has been so."""
    changes: dict[str, Any] = {"health": health, "health_detail": detail[:300], "checked_at": Now()}
    if health == Health.HEALTHY:
        changes["failures"] = 0
    if health != environment.health:
        changes["health_since"] = Now()
        logger.info("%s is %s now: %s", environment, health, detail)
    Environment.objects.filter(pk=environment.pk).update(**changes)
