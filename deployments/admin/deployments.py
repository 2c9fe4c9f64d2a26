"""Deployments and releases in the admin: looked at and acted upon, never edited."""

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.utils.html import format_html
from django.utils.safestring import SafeString

from deployments import actions, queries
from deployments.admin.filters import InstanceFilter
from deployments.models import Deployment, Release, Step
from portal.core.adminbase import LookOnlyInline, PortalModelAdmin, for_each


class StepInline(LookOnlyInline):
    """The twelve steps and how each ended."""

    model = Step
    shown = ["number", "title", "status", "message", "started_at", "finished_at"]


@admin.register(Deployment)
class DeploymentAdmin(PortalModelAdmin):
    """Attempts. They cannot be added, changed or deleted, only acted upon."""

    list_display = ["__str__", "state", "kind", "environment", "commit_text", "requested_by", "created_at"]
    list_filter = ["status", "kind", "source", InstanceFilter]
    search_fields = ["application__name", "short_id", "commit", "commit_subject"]
    shown = [
        "application", "environment", "instance", "number", "kind", "state", "source", "requested_by", "origin",
        "release", "ref", "commit_text", "url", "failure_code", "failure_detail", "created_at", "started_at",
        "finished_at", "cancelled_by", "superseded_by",
    ]  # fmt: skip
    inlines = [StepInline]
    actions = ["cancel", "retry", "redeploy", "roll_back"]
    change_form_template = "admin/deployments/deployment/change_form.html"

    def get_queryset(self, request: Any) -> QuerySet[Deployment]:
        rows = queries.visible_deployments(request.user).select_related(
            "environment__application", "cancelled_by"
        )
        return rows.order_by("-id")

    @admin.display(description="Status", ordering="status")
    def state(self, deployment: Deployment) -> SafeString:
        address = deployment.get_absolute_url()
        return format_html('<a href="{}">{}</a>', address, deployment.get_status_display())

    @admin.display(description="Commit", ordering="commit")
    def commit_text(self, deployment: Deployment) -> SafeString | str:
        if not deployment.commit:
            return "–"
        return format_html("<code>{}</code> {}", deployment.commit[:7], deployment.commit_subject[:60])

    @admin.action(description="Cancel")
    def cancel(self, request: Any, queryset: QuerySet[Deployment]) -> None:
        for_each(
            request,
            queryset,
            lambda row: actions.cancel(deployment=row, by=request.user),
            "is being cancelled",
        )

    @admin.action(description="Retry")
    def retry(self, request: Any, queryset: QuerySet[Deployment]) -> None:
        for_each(
            request, queryset, lambda row: actions.retry(deployment=row, by=request.user), "is tried again"
        )

    @admin.action(description="Redeploy the same release")
    def redeploy(self, request: Any, queryset: QuerySet[Deployment]) -> None:
        for_each(
            request, queryset, lambda row: actions.redeploy(deployment=row, by=request.user), "is redeployed"
        )

    @admin.action(description="Roll its environment back")
    def roll_back(self, request: Any, queryset: QuerySet[Deployment]) -> None:
        for_each(
            request,
            queryset,
            lambda row: actions.rollback(environment=row.environment, by=request.user),
            "is rolled back",
        )


@admin.register(Release)
class ReleaseAdmin(PortalModelAdmin):
    """What deployments put somewhere. Never changed after it was made."""

    list_display = ["__str__", "environment", "commit", "image", "kept", "proven", "created_at"]
    list_filter = ["kept", "proven", "runtime"]
    search_fields = ["commit", "commit_subject", "image", "environment__application__name"]
    list_select_related = ["environment__application"]
    shown = [
        "environment", "number", "commit", "commit_subject", "commit_author", "ref", "runtime", "image", "image_digest",
        "image_size", "container_port", "health_path", "memory_mb", "cpus", "variable_names", "kept", "proven", "created_at",
    ]  # fmt: skip

    def get_queryset(self, request: Any) -> QuerySet[Release]:
        rows = Release.objects.filter(environment__in=queries.visible_environments(request.user))
        return rows.select_related("environment__application").order_by("-id")
