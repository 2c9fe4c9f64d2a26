"""Instances as staff see them: the same doors as everywhere, and otherwise looking only."""

from typing import Any

from django import forms
from django.contrib import admin
from django.core.exceptions import ValidationError
from django.db.models import QuerySet
from django.http import HttpRequest

from instances import actions, queries, rules
from instances.models import Instance, Orphan, PortReservation
from portal.core.adminbase import LookOnlyInline, PortalModelAdmin, for_each

CHANGEABLE = ("max_applications",)
SHOWN = (
    "name", "kind", "state", "trouble", "address", "team", "wanted", "draining", "ssh_host", "ssh_port", "ssh_user",
    "jump", "region", "zone", "aws_id", "aws_state", "instance_type", "public_ip", "private_ip", "facts",
    "checked_at", "seen_at", "created_by", "created_at",
)  # fmt: skip


class PortInline(LookOnlyInline):
    """The ports that are spoken for."""

    model = PortReservation
    shown = ["number", "holder", "created_at"]


class InstanceForm(forms.ModelForm):  # type: ignore[type-arg]
    """Says what the action would refuse beside the field, before anything is saved."""

    class Meta:
        model = Instance
        fields = CHANGEABLE

    def clean_max_applications(self) -> int:
        number: int = self.cleaned_data["max_applications"]
        if not 1 <= number <= 500:
            raise ValidationError("Write a number from 1 to 500.")
        return number


@admin.register(Instance)
class InstanceAdmin(PortalModelAdmin):
    """The machines."""

    form = InstanceForm
    audited_by_actions = True
    list_display = ["name", "kind", "state", "address", "region", "team", "max_applications", "checked_at"]
    list_filter = ["kind", "status", "region"]
    search_fields = ["name", "address", "aws_id"]
    list_select_related = ["team"]
    actions = ["start_them", "stop_them", "drain_them", "undrain_them"]
    fields = [*CHANGEABLE, *SHOWN]
    readonly_fields = SHOWN
    inlines = [PortInline]

    def get_queryset(self, request: Any) -> QuerySet[Instance]:
        return queries.visible_instances(request.user).order_by("name")

    def has_change_permission(self, request: Any, obj: Any = None) -> bool:
        return obj is not None and rules.can_manage(request.user, obj)

    def save_model(self, request: Any, obj: Any, form: Any, change: bool) -> None:
        fields = {name: form.cleaned_data[name] for name in form.changed_data}
        actions.update_instance(instance=obj, by=request.user, **fields)

    @admin.display(description="State", ordering="status")
    def state(self, instance: Instance) -> str:
        return instance.get_status_display()

    @admin.action(description="Start")
    def start_them(self, request: Any, queryset: QuerySet[Instance]) -> None:
        for_each(
            request, queryset, lambda row: actions.start(instance=row, by=request.user), "is being started"
        )

    @admin.action(description="Stop")
    def stop_them(self, request: Any, queryset: QuerySet[Instance]) -> None:
        for_each(
            request, queryset, lambda row: actions.stop(instance=row, by=request.user), "is being stopped"
        )

    @admin.action(description="Drain: take no new deployments")
    def drain_them(self, request: Any, queryset: QuerySet[Instance]) -> None:
        for_each(request, queryset, lambda row: actions.drain(instance=row, by=request.user), "is draining")

    @admin.action(description="Take deployments again")
    def undrain_them(self, request: Any, queryset: QuerySet[Instance]) -> None:
        for_each(
            request,
            queryset,
            lambda row: actions.undrain(instance=row, by=request.user),
            "takes deployments again",
        )


@admin.register(Orphan)
class OrphanAdmin(PortalModelAdmin):
    """What is on one side only; adopted and deleted on the page of instances."""

    list_display = ["identifier", "kind", "name", "region", "first_seen_at", "seen_at", "delete_asked_by"]
    list_filter = ["kind", "region"]
    search_fields = ["identifier", "name"]
    list_select_related = ["delete_asked_by"]
    shown = [
        "identifier", "kind", "name", "region", "instance", "details", "made_at", "first_seen_at", "seen_at",
        "delete_asked_by",
    ]  # fmt: skip

    def get_queryset(self, request: HttpRequest) -> QuerySet[Orphan]:
        return queries.orphans_of(request.user)  # type: ignore[arg-type]
