"""Time by the database's clock: the only one that all processes share."""

from datetime import datetime, timedelta

from django.db import connection
from django.db.models import DateTimeField, DurationField, ExpressionWrapper, Value
from django.db.models.expressions import Combinable
from django.db.models.functions import Now
from django.utils import timezone
from django.utils.dateparse import parse_datetime


def now_plus(delta: timedelta) -> Combinable:
    """The database's now plus delta, as an expression for a filter or an update."""
    return ExpressionWrapper(Now() + Value(delta, output_field=DurationField()), output_field=DateTimeField())


def database_now() -> datetime:
    """The database's now, as a value."""
    with connection.cursor() as cursor:
        if connection.vendor == "sqlite":
            cursor.execute("SELECT STRFTIME('%Y-%m-%d %H:%M:%f', 'NOW')")
            text: str = cursor.fetchone()[0]
            parsed = parse_datetime(text)
            assert parsed is not None
            return timezone.make_aware(parsed, timezone.get_default_timezone())
        cursor.execute("SELECT STATEMENT_TIMESTAMP()")
        value: datetime = cursor.fetchone()[0]
        return value
