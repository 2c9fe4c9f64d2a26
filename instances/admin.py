"""Instances as staff see them: limits and owner can be changed, the state cannot."""

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet

from instances import queries
from instances.models import Instance, PortReservation
from portal.core import access
from portal.core.adminbase import LookOnlyInline, PortalModelAdmin


class PortInline(LookOnlyInline):
    """The ports that are spoken for."""

    model = PortReservation
    shown = ["number", "holder", "created_at"]


@admin.register(Instance)
class InstanceAdmin(PortalModelAdmin):
    """The machines."""

    list_display = ["name", "kind", "state", "address", "team", "max_applications", "checked_at"]
    list_filter = ["kind", "status"]
    search_fields = ["name", "address"]
    list_select_related = ["team"]
    fields = [
        "name",
        "kind",
        "state",
        "address",
        "team",
        "max_applications",
        "facts",
        "checked_at",
        "created_at",
    ]
    readonly_fields = ["name", "kind", "state", "address", "facts", "checked_at", "created_at"]
    inlines = [PortInline]

    def get_queryset(self, request: Any) -> QuerySet[Instance]:
        return queries.visible_instances(request.user).order_by("name")

    def has_change_permission(self, request: Any, obj: Any = None) -> bool:
        if obj is None or obj.team is None:
            return bool(request.user.is_superuser)
        return access.can(request.user, "instance.manage", obj.team)

    @admin.display(description="State", ordering="status")
    def state(self, instance: Instance) -> str:
        return instance.get_status_display()
