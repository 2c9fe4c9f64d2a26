"""How the lists of the admin are narrowed."""

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet

from instances.queries import visible_instances


class InstanceFilter(admin.SimpleListFilter):
    """By instance, of those that the person may see."""

    title = "instance"
    parameter_name = "instance"

    def lookups(self, request: Any, model_admin: Any) -> list[tuple[str, str]]:
        return [(str(row.pk), row.name) for row in visible_instances(request.user)[:100]]

    def queryset(self, request: Any, queryset: QuerySet[Any]) -> QuerySet[Any]:
        value = self.value() or ""
        return (
            queryset.filter(instance=int(value))
            if value.isascii() and value.isdigit() and len(value) < 19
            else queryset
        )
