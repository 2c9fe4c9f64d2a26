"""What pages ask for. What may stand in a field is decided by the models and the actions, not here."""

from typing import Any

from django import forms
from django.db.models import QuerySet

from deployments import inputs
from deployments.models import Application
from instances.models import Instance
from portal.core.models import Team
from portal.core.pages import StyledForm

ENVIRONMENTS = [("dev", "dev"), ("stage", "stage"), ("prod", "prod")]
PLAIN: dict[str, Any] = {"spellcheck": "false", "autocomplete": "off", "autocapitalize": "off"}


def text(*, max_length: int, required: bool = False, **attrs: Any) -> forms.CharField:
    """A line of text in which nothing is corrected, neither by the browser nor by us."""
    label, help_text = attrs.pop("label", None), attrs.pop("help_text", "")
    widget = forms.TextInput(attrs=PLAIN | attrs)
    return forms.CharField(
        max_length=max_length, required=required, widget=widget, label=label, help_text=help_text, strip=False
    )


class PortField(forms.Field):
    """A port by the same rule as everywhere: plain decimal digits, no sign, no other alphabet."""

    def __init__(self, *, low: int = 1, **kwargs: Any) -> None:
        attrs = {"inputmode": "numeric", "autocomplete": "off"}
        super().__init__(required=False, widget=forms.TextInput(attrs=attrs), **kwargs)
        self.low = low

    def to_python(self, value: Any) -> int | None:
        return None if value in self.empty_values else inputs.parse_port(value, low=self.low)


class DeployForm(StyledForm):
    """Everything that a first deployment needs; only the URL has to be given."""

    git_url = text(
        label="Git URL",
        max_length=512,
        required=True,
        placeholder="https://github.com/owner/repository",
        inputmode="url",
    )
    branch = text(max_length=200, placeholder="the default branch", list="branches")
    name = text(label="Application name", max_length=40, placeholder="from the repository")
    team = forms.ModelChoiceField(Team.objects.none(), required=False, empty_label=None)
    environment = text(
        max_length=40,
        placeholder="dev",
        list="environments",
        help_text="dev, stage, prod, or a name of your own.",
    )
    target = forms.ChoiceField(required=False, help_text="Where it runs.")
    container_port = PortField(
        help_text="Inside the container. Empty: the port that the Dockerfile exposes, else 8000."
    )
    host_port = PortField(low=1024, help_text="Under which it answers. Empty: a free one is chosen.")
    git_token = forms.CharField(
        label="Access token", max_length=500, required=False, widget=forms.PasswordInput(attrs={"autocomplete": "off"}),
        help_text="For a private repository, with read access. Stored encrypted, never shown again.",
    )  # fmt: skip

    def __init__(
        self, *args: Any, teams: QuerySet[Team], instances: QuerySet[Instance], **kwargs: Any
    ) -> None:
        super().__init__(*args, **kwargs)
        team: Any = self.fields["team"]
        team.queryset = teams
        target: Any = self.fields["target"]
        target.choices = [("", "This machine (local)")] + [
            (instance.name, f"{instance.name} ({instance.get_kind_display()})")
            for instance in instances
            if instance.kind != "local"
        ]


def read_variables(keys: list[str], values: list[str]) -> dict[str, str]:
    """The rows of names and values; rows without a name are left out."""
    return {key: value for key, value in zip(keys, values, strict=False) if key}


class SettingsForm(StyledForm):
    """How an application is built and run."""

    git_url = text(label="Git URL", max_length=512, required=True)
    default_branch = text(max_length=200, placeholder="the repository's own")
    dockerfile = text(max_length=255, required=True)
    container_port = PortField(help_text="Empty: the port that the Dockerfile exposes, else 8000.")
    health_path = text(
        max_length=256,
        placeholder="/health, /healthz, /up or /",
        help_text="Must answer 200 before traffic switches. Empty: the first of the usual ones that answers.",
    )
    memory_mb = forms.IntegerField(label="Memory (MB)", min_value=64)
    cpus = forms.DecimalField(label="CPUs", min_value=0, max_digits=4, decimal_places=2)
    description = text(max_length=300)
    git_token = forms.CharField(
        label="Access token",
        max_length=500,
        required=False,
        widget=forms.PasswordInput(attrs={"autocomplete": "off"}),
    )

    SECRETS = ("git_token",)

    def __init__(self, *args: Any, application: Application, **kwargs: Any) -> None:
        names = [name for name in self.base_fields if name not in self.SECRETS]
        kwargs["initial"] = {name: getattr(application, name) for name in names}
        super().__init__(*args, **kwargs)
        stored = "set ••••  (empty keeps it)" if application.git_token_sealed else "not set"
        self.fields["git_token"].widget.attrs["placeholder"] = stored

    def changes(self) -> dict[str, Any]:
        """What was given; an empty secret means that it stays."""
        return {name: value for name, value in self.cleaned_data.items() if name not in self.SECRETS or value}


class EnvironmentForm(StyledForm):
    """One more place for an application."""

    name = text(max_length=40, required=True, placeholder="stage")
    instance = forms.ModelChoiceField(Instance.objects.none(), empty_label=None)
    branch = text(max_length=200, placeholder="the application's")
    public_port = PortField(low=1024, help_text="Empty: a free one is chosen.")
    protected = forms.BooleanField(required=False, label="Protected: only team admins change its variables")

    def __init__(self, *args: Any, instances: QuerySet[Instance], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        field: Any = self.fields["instance"]
        field.queryset = instances
