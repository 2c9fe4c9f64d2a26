"""Signs of life by the database's clock: who was alive when, comparable across machines."""

from datetime import timedelta
from typing import Any

from django.db.models import DurationField, ExpressionWrapper, F
from django.db.models.functions import Now

from portal.core.models import Heartbeat


def beat(name: str, **details: Any) -> None:
    """Say that this part of the portal is alive now."""
    Heartbeat.objects.bulk_create(
        [Heartbeat(name=name, at=Now(), details=details)],
        update_conflicts=True,
        unique_fields=["name"],
        update_fields=["at", "details"],
    )


def age(name: str) -> float | None:
    """How many seconds ago it was last alive; None when it never was."""
    since = ExpressionWrapper(Now() - F("at"), output_field=DurationField())
    found: timedelta | None = (
        Heartbeat.objects.filter(name=name).annotate(age=since).values_list("age", flat=True).first()
    )
    return None if found is None else found.total_seconds()
