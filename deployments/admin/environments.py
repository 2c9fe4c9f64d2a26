"""Environments in the admin, with their variables: written, never shown."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import ValidationError
from django.db.models import QuerySet
from django.http import HttpResponse
from django.shortcuts import redirect

from deployments import actions, inputs, queries, rules
from deployments.admin.filters import InstanceFilter
from deployments.admin.reading import clean_by_rules
from deployments.forms.fields import PortField, RuledField
from deployments.models import Environment, Variable
from portal.core.adminbase import PortalModelAdmin, TabularInline, for_each

if TYPE_CHECKING:
    ModelForm = forms.ModelForm[Variable]
    EnvironmentModelForm = forms.ModelForm[Environment]
else:
    ModelForm = EnvironmentModelForm = forms.ModelForm


class VariableForm(ModelForm):
    """A value is written, never read."""

    key = RuledField(rule=inputs.check_variable_name)
    new_value = RuledField(
        rule=inputs.check_variable_value,
        label="Value",
        required=False,
        widget=forms.PasswordInput(attrs={"autocomplete": "off"}),
    )

    class Meta:
        model = Variable
        fields = ["key", "secret"]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        stored = "set ••••  (empty keeps it)" if self.instance.pk else ""
        self.fields["new_value"].widget.attrs["placeholder"] = stored
        if self.instance.pk:
            self.fields["key"].disabled = True


class VariableInline(TabularInline):
    """Environment variables; their values are never shown."""

    model = Variable
    form = VariableForm
    extra = 0
    fields = ["key", "new_value", "secret", "updated_at", "updated_by"]
    readonly_fields = ["updated_at", "updated_by"]

    def get_queryset(self, request: Any) -> QuerySet[Variable]:
        return super().get_queryset(request).select_related("updated_by", "environment__application")

    def has_view_permission(self, request: Any, obj: Any = None) -> bool:
        # Django asks without the environment, too, when it reads the rows that it then asks about one by one.
        return bool(request.user.is_staff) if obj is None else rules.can_see_variables(request.user, obj)

    def _may_set(self, request: Any, obj: Any) -> bool:
        return obj is not None and rules.can_set_variables(request.user, obj)

    def has_add_permission(self, request: Any, obj: Any = None) -> bool:
        return self._may_set(request, obj)

    def has_change_permission(self, request: Any, obj: Any = None) -> bool:
        return self._may_set(request, obj)

    def has_delete_permission(self, request: Any, obj: Any = None) -> bool:
        return self._may_set(request, obj)


class EnvironmentForm(EnvironmentModelForm):
    """The sign-in of the proxy is written, never read."""

    public_port = PortField(public=True, help_text="Empty: a free one is chosen at the next deployment.")
    basic_auth = forms.CharField(
        label="Sign-in at the proxy", required=False, max_length=300, strip=False,
        help_text="user:password; empty keeps what is stored.",
        widget=forms.PasswordInput(attrs={"autocomplete": "off"}),
    )  # fmt: skip

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if "basic_auth" in self.fields:
            stored = "set ••••  (empty keeps it)" if self.instance.basic_auth_sealed else "not set"
            self.fields["basic_auth"].widget.attrs["placeholder"] = stored

    def clean(self) -> dict[str, Any]:
        return clean_by_rules(self, super().clean())


@admin.register(Environment)
class EnvironmentAdmin(PortalModelAdmin):
    """Where applications run, what is live there, and its variables."""

    form = EnvironmentForm
    list_display = ["__str__", "instance", "health", "live_release", "url", "protected", "checked_at"]
    list_filter = ["health", "name", "protected", InstanceFilter]
    search_fields = ["application__name", "name", "url"]
    list_select_related = ["application", "instance", "live_release"]
    fields = [
        "application", "name", "instance", "branch", "public_port", "hostnames", "path_prefix", "https",
        "proxy_options", "basic_auth", "on_failure", "protected", "health", "health_detail",
        "health_since", "checked_at", "restarts", "live_release", "live_deployment", "url", "created_at",
    ]  # fmt: skip
    readonly_fields = [
        "application", "name", "instance", "health", "health_detail", "health_since", "checked_at", "restarts",
        "live_release", "live_deployment", "url", "created_at",
    ]  # fmt: skip
    inlines = [VariableInline]
    actions = ["deploy", "roll_back", "stop", "start", "restart"]
    audited_by_actions = True

    def get_queryset(self, request: Any) -> QuerySet[Environment]:
        return queries.visible_environments(request.user).order_by("application__name", "name")

    def has_change_permission(self, request: Any, obj: Any = None) -> bool:
        return obj is not None and rules.can_edit(request.user, obj.application)

    def save_model(self, request: Any, obj: Environment, form: Any, change: bool) -> None:
        given = {name: form.cleaned_data[name] for name in form.changed_data}
        if not given:
            return
        try:
            fresh = queries.visible_environments(request.user).get(pk=obj.pk)
            actions.update_environment(environment=fresh, by=request.user, **given)
        except ValidationError as error:
            # What only the door can see, such as a name that another environment has.
            messages.error(request, f"Nothing was saved. {' '.join(error.messages)}")
            request.was_refused = True

    def response_change(self, request: Any, obj: Environment) -> HttpResponse:
        if getattr(request, "was_refused", False):
            return redirect(request.path)
        return super().response_change(request, obj)

    def save_formset(self, request: Any, form: Any, formset: Any, change: bool) -> None:
        """Variables go through their own doors, one by one."""
        for one in formset.forms:
            if not one.has_changed():
                continue
            self._save_variable(request, form.instance, one, removed=one in formset.deleted_forms)
        formset.new_objects = formset.changed_objects = formset.deleted_objects = []

    def _save_variable(self, request: Any, environment: Environment, one: Any, *, removed: bool) -> None:
        variable = one.instance
        try:
            if removed:
                actions.remove_variable(environment=environment, by=request.user, key=variable.key)
                return
            given = one.cleaned_data["new_value"]
            value = given if given or not variable.pk else variable.value.reveal()
            actions.set_variable(
                environment=environment, by=request.user, key=one.cleaned_data["key"], value=value,
                secret=one.cleaned_data["secret"],
            )  # fmt: skip
        except ValidationError as error:
            messages.error(request, f"The variable was not stored. {' '.join(error.messages)}")

    def _each(self, request: Any, rows: QuerySet[Environment], do: Callable[..., object], done: str) -> None:
        for_each(request, rows, lambda row: do(environment=row, by=request.user), done)

    @admin.action(description="Deploy the newest commit")
    def deploy(self, request: Any, queryset: QuerySet[Environment]) -> None:
        self._each(request, queryset, actions.start, "is queued")

    @admin.action(description="Roll back to the release before")
    def roll_back(self, request: Any, queryset: QuerySet[Environment]) -> None:
        self._each(request, queryset, actions.rollback, "is rolled back")

    @admin.action(description="Stop what runs there")
    def stop(self, request: Any, queryset: QuerySet[Environment]) -> None:
        self._each(request, queryset, actions.stop_environment, "is being stopped")

    @admin.action(description="Start what was stopped")
    def start(self, request: Any, queryset: QuerySet[Environment]) -> None:
        self._each(request, queryset, actions.start_environment, "is being started")

    @admin.action(description="Restart what runs there")
    def restart(self, request: Any, queryset: QuerySet[Environment]) -> None:
        self._each(request, queryset, actions.restart_environment, "is being restarted")
