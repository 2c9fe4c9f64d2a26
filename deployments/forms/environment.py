"""One place of an application: where it is, how it is reached, what becomes of failures."""

from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.db.models import QuerySet

from deployments.forms import targets
from deployments.forms.fields import HostnamesField, LinesField, PairsField, PortField, secret, text
from deployments.inputs.proxy_options import DEFAULTS, parse_proxy_options
from deployments.models import Environment
from deployments.states import Cleanup
from instances.models import Instance
from instances.states import Kind
from portal.core.pages import StyledForm

OPTIONS = ("body_mb", "read_seconds", "websockets", "headers", "allow")
# Possible only where NGINX is in front.
NAMES = ("hostnames", "path_prefix", "https")
NGINX_ONLY = (*NAMES, *OPTIONS, "basic_auth", "remove_basic_auth")


class InstanceField(forms.ModelChoiceField):  # type: ignore[type-arg]
    """An instance with kind and address."""

    def __init__(self) -> None:
        super().__init__(Instance.objects.none(), empty_label=None)

    def label_from_instance(self, obj: Any) -> str:
        return targets.describe(obj)


class EnvironmentForm(StyledForm):
    """One more place for an application."""

    name = text(max_length=40, required=True, placeholder="stage")
    instance = InstanceField()
    branch = text(max_length=200, placeholder="the application's")
    public_port = PortField(public=True, help_text="Empty: a free one is chosen.")
    protected = forms.BooleanField(required=False, label="Protected: only team admins change its variables")

    def __init__(self, *args: Any, instances: QuerySet[Instance], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        field: Any = self.fields["instance"]
        field.queryset = instances.filter(pk__in=[row.pk for row in targets.usable(instances)])


class PlaceForm(StyledForm):
    """The settings of an environment, in the groups of its page."""

    instance = InstanceField()
    branch = text(max_length=200, placeholder="the application's")
    public_port = PortField(public=True, help_text="Empty: a free one is chosen at the next deployment.")
    protected = forms.BooleanField(
        required=False, label="Protected: only team admins change it and its variables"
    )
    on_failure = forms.ChoiceField(
        label="A machine made for a deployment that fails", choices=Cleanup.choices,
        help_text="Of an EC2 instance that was made for the deployment; others are always kept.",
    )  # fmt: skip
    hostnames = HostnamesField(
        label="Host names", placeholder="churn.example.org",
        help_text="One per line, at most 5. The DNS must lead them to the machine.",
    )  # fmt: skip
    path_prefix = text(max_length=100, placeholder="/churn", help_text="Empty: the whole host.")
    https = forms.BooleanField(
        required=False, label="HTTPS with a certificate of Let's Encrypt; http redirects to it"
    )
    body_mb = forms.IntegerField(label="Largest request (MB)", required=False)
    read_seconds = forms.IntegerField(label="Longest wait for an answer (s)", required=False)
    websockets = forms.BooleanField(required=False, label="WebSockets pass")
    headers = PairsField(
        label="Headers of every answer", between=": ", placeholder="X-Frame-Options: DENY",
        help_text="One Name: value per line.",
    )  # fmt: skip
    allow = LinesField(
        label="Only these addresses", placeholder="203.0.113.0/24",
        help_text="Networks, one per line. Empty: everybody.",
    )  # fmt: skip
    basic_auth = secret(label="Sign-in at the proxy", help_text="user:password. Never shown again.")
    remove_basic_auth = forms.BooleanField(required=False, label="Remove the sign-in")

    def __init__(
        self, *args: Any, environment: Environment, instances: QuerySet[Instance], **kwargs: Any
    ) -> None:
        kwargs["initial"] = _initial(environment)
        super().__init__(*args, **kwargs)
        fields: dict[str, Any] = self.fields
        offered = {environment.instance_id, *(row.pk for row in targets.usable(instances))}
        fields["instance"].queryset = instances.filter(pk__in=offered)
        if environment.instance.kind == Kind.LOCAL:
            for name in NGINX_ONLY:
                del fields[name]
            return
        stored = "set ••••  (empty keeps it)" if environment.basic_auth_sealed else "not set"
        fields["basic_auth"].widget.attrs["placeholder"] = stored
        if not environment.basic_auth_sealed:
            del fields["remove_basic_auth"]

    def clean(self) -> dict[str, Any]:
        """Each option by the rule that the action uses, so that the refusal stands at its field."""
        for name in OPTIONS:
            value = self.cleaned_data.get(name)
            if name in self.fields and value not in (None, "", [], {}):
                try:
                    parse_proxy_options({name: value})
                except ValidationError as error:
                    self.add_error(name, error.messages)
        return dict(self.cleaned_data)

    def changes(self) -> dict[str, Any]:
        """What was given; an empty sign-in means that it stays."""
        names = ("instance", "branch", "public_port", "protected", "on_failure", *NAMES)
        given = {name: self.cleaned_data[name] for name in names if name in self.fields}
        if "body_mb" in self.fields:
            given["proxy_options"] = self._options()
        if self.cleaned_data.get("remove_basic_auth"):
            given["basic_auth"] = ""
        elif self.cleaned_data.get("basic_auth"):
            given["basic_auth"] = self.cleaned_data["basic_auth"]
        return given

    def _options(self) -> dict[str, Any]:
        options = {name: self.cleaned_data[name] for name in OPTIONS}
        return {name: value for name, value in options.items() if value is not None}


def _initial(environment: Environment) -> dict[str, Any]:
    names = ("instance", "branch", "public_port", "protected", "on_failure", *NAMES)
    stored = {name: getattr(environment, name) for name in names}
    initial: dict[str, Any] = DEFAULTS | environment.proxy_options | stored
    return initial
