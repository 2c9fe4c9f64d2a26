"""Applications in the admin: their settings can be changed, what runs cannot."""

from typing import TYPE_CHECKING, Any

from django import forms
from django.contrib import admin
from django.db.models import QuerySet
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from deployments import actions, queries, rules
from deployments.admin.reading import clean_by_rules
from deployments.forms.fields import CommandField, PortField
from deployments.models import Application, Environment
from portal.core import access
from portal.core.adminbase import LookOnlyInline, PortalModelAdmin, for_each

if TYPE_CHECKING:
    ModelForm = forms.ModelForm[Application]
else:
    ModelForm = forms.ModelForm


class EnvironmentInline(LookOnlyInline):
    """Where it runs."""

    model = Environment
    shown = ["name", "instance", "branch", "health", "live_release", "url"]
    show_change_link = True

    def get_queryset(self, request: Any) -> QuerySet[Environment]:
        return super().get_queryset(request).select_related("application", "instance", "live_release")


class ApplicationForm(ModelForm):
    """The token is written, never read."""

    git_token = forms.CharField(
        label="Access token",
        required=False,
        max_length=500,
        widget=forms.PasswordInput(attrs={"autocomplete": "off"}),
    )

    container_port = PortField(help_text="Empty: the port that the Dockerfile exposes, else 8000.")
    test_command = CommandField()

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if "git_token" in self.fields:
            stored = "set ••••  (empty keeps it)" if self.instance.git_token_sealed else "not set"
            self.fields["git_token"].widget.attrs["placeholder"] = stored

    def clean(self) -> dict[str, Any]:
        return clean_by_rules(self, super().clean())


@admin.register(Application)
class ApplicationAdmin(PortalModelAdmin):
    """Repositories and how they run."""

    form = ApplicationForm
    list_display = ["name", "team", "git_url", "default_branch", "newest", "created_at"]
    list_filter = ["created_at"]
    search_fields = ["name", "git_url", "description"]
    list_select_related = ["team"]
    fields = [
        "name", "team", "git_url", "git_token", "default_branch", "dockerfile", "container_port", "health_path",
        "test_command", "context", "build_args", "hooks", "memory_mb", "cpus", "description", "created_by", "created_at",
    ]  # fmt: skip
    readonly_fields = ["created_by", "created_at"]
    inlines = [EnvironmentInline]
    actions = ["deploy"]
    change_form_template = "admin/deployments/application/change_form.html"
    audited_by_actions = True

    def get_queryset(self, request: Any) -> QuerySet[Application]:
        return queries.visible_applications(request.user).order_by("name")

    def has_add_permission(self, request: Any, obj: Any = None) -> bool:
        return access.teams_with(request.user, "application.edit").exists()

    def has_change_permission(self, request: Any, obj: Any = None) -> bool:
        return obj is not None and rules.can_edit(request.user, obj)

    def get_readonly_fields(self, request: Any, obj: Any = None) -> list[str]:
        return [*self.readonly_fields, "name", "team"] if obj else list(self.readonly_fields)

    def get_inlines(self, request: Any, obj: Any) -> list[Any]:
        return [] if obj is None else list(self.inlines)

    def formfield_for_foreignkey(self, db_field: Any, request: Any, **kwargs: Any) -> Any:
        if db_field.name == "team":
            kwargs["queryset"] = access.teams_with(request.user, "application.edit")
        return super().formfield_for_foreignkey(db_field, request, **kwargs)

    def save_model(self, request: Any, obj: Application, form: Any, change: bool) -> None:
        given = {name: form.cleaned_data[name] for name in form.changed_data}
        if not given.get("git_token"):
            given.pop("git_token", None)
        if change:
            # The form has changed `obj` already, and the audit wants to know what it was.
            fresh = queries.visible_applications(request.user).get(pk=obj.pk)
            actions.update_application(application=fresh, by=request.user, **given)
        else:
            made = actions.create_application(by=request.user, **given)
            obj.pk, obj.uuid, obj._state.adding = made.pk, made.uuid, False

    @admin.display(description="Newest deployment")
    def newest(self, application: Any) -> SafeString | str:
        if not application.latest_short_id:
            return "–"
        address = reverse("deployment", args=[application.latest_short_id])
        return format_html(
            '<a href="{}">#{}</a> {}', address, application.latest_number, application.latest_status
        )

    @admin.action(description="Deploy to every unprotected environment")
    def deploy(self, request: Any, queryset: QuerySet[Application]) -> None:
        rows = queries.visible_environments(request.user).filter(application__in=queryset, protected=False)
        for_each(request, rows, lambda row: actions.start(environment=row, by=request.user), "is queued")
