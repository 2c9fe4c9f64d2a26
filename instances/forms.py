"""What pages ask for. What may stand in a field is decided by `inputs` and the actions, not here."""

from typing import Any

from django import forms
from django.conf import settings
from django.db.models import QuerySet

from instances import inputs
from instances.clouds import prices
from instances.models import Instance
from instances.states import Kind
from portal.core.models import Team
from portal.core.pages import StyledForm

PLAIN: dict[str, Any] = {"spellcheck": "false", "autocomplete": "off", "autocapitalize": "off"}
DAYS = [("0", "Mo"), ("1", "Tu"), ("2", "We"), ("3", "Th"), ("4", "Fr"), ("5", "Sa"), ("6", "Su")]


def text(*, max_length: int, required: bool = False, **attrs: Any) -> forms.CharField:
    """A line of text in which nothing is corrected, neither by the browser nor by us."""
    label, help_text = attrs.pop("label", None), attrs.pop("help_text", "")
    initial = attrs.pop("initial", None)
    widget = forms.TextInput(attrs=PLAIN | attrs)
    return forms.CharField(
        max_length=max_length, required=required, widget=widget, label=label, help_text=help_text,
        initial=initial, strip=False,
    )  # fmt: skip


class SSHPortField(forms.Field):
    """A port by the same rule as everywhere: plain decimal digits; empty means 22."""

    def __init__(self, **kwargs: Any) -> None:
        attrs = {"inputmode": "numeric", "autocomplete": "off"}
        super().__init__(required=False, widget=forms.TextInput(attrs=attrs), initial="22", **kwargs)

    def to_python(self, value: Any) -> int:
        return 22 if value in self.empty_values else inputs.parse_port(value)


class OwnedForm(StyledForm):
    """A new instance belongs to a team of the person, or to everybody when a portal admin says so."""

    team = forms.ModelChoiceField(Team.objects.none(), required=False, empty_label=None)

    def __init__(self, *args: Any, teams: QuerySet[Team], everybody: bool, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        field: Any = self.fields["team"]
        field.queryset = teams
        field.empty_label = "Everybody" if everybody else None
        field.required = not everybody


class ServerForm(OwnedForm):
    """A server that somebody else made."""

    name = text(max_length=40, required=True, placeholder="gpu-1")
    ssh_host = text(
        label="Host", max_length=253, required=True, placeholder="gpu1.example.com or 10.0.0.5",
        help_text="Name or address, as the portal reaches it.",
    )  # fmt: skip
    ssh_port = SSHPortField(label="SSH port")
    ssh_user = text(
        label="Account", max_length=32, initial="root", placeholder="root",
        help_text="root, or an account that may use sudo without a password.",
    )  # fmt: skip
    jump = forms.ModelChoiceField(
        Instance.objects.none(), required=False, empty_label="directly", label="Reached",
        help_text="Or through another server of the portal.",
    )  # fmt: skip
    private_key = forms.CharField(
        label="Private key", required=False, max_length=20_000, strip=False,
        widget=forms.Textarea(attrs=PLAIN | {"class": "mono", "placeholder": "-----BEGIN OPENSSH PRIVATE KEY-----"}),
        help_text="Empty: the portal makes a key and shows the line to put on the server. Stored encrypted, never shown again.",
    )  # fmt: skip

    def __init__(self, *args: Any, jumps: QuerySet[Instance], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        field: Any = self.fields["jump"]
        field.queryset = jumps
        field.label_from_instance = lambda server: f"through {server.name}"


def _type_choices(region: str) -> list[tuple[str, str]]:
    choices = []
    for name in settings.EC2_INSTANCE_TYPES:
        hour = prices.hourly(name, region)
        choices.append((name, f"{name} · ${hour.normalize():f} per hour" if hour else name))
    return choices


class EC2Form(OwnedForm):
    """A machine that AWS makes for us."""

    name = text(max_length=40, required=True, placeholder="churn-prod")
    region = text(max_length=30, required=True, placeholder="eu-central-1")
    instance_type = forms.ChoiceField(label="Type")
    volume_gb = forms.IntegerField(
        label="Disk (GB)", widget=forms.TextInput(attrs={"inputmode": "numeric", "autocomplete": "off"})
    )
    image_id = text(label="AMI", max_length=40, placeholder="the newest Ubuntu 22.04")
    subnet = text(max_length=40, placeholder="the default network", list="subnets")
    zone = text(label="Availability zone", max_length=40, placeholder="any")
    elastic = forms.BooleanField(required=False, label="Keep one address over stop and start (Elastic IP)")
    now = forms.BooleanField(required=False, label="Make it now; else it is made with its first deployment")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        kwargs["initial"] = {
            "region": settings.AWS_REGION,
            "instance_type": settings.EC2_INSTANCE_TYPE,
            "volume_gb": settings.EC2_VOLUME_SIZE,
        } | (kwargs.get("initial") or {})
        super().__init__(*args, **kwargs)
        field: Any = self.fields["instance_type"]
        field.choices = _type_choices(str(self["region"].value() or settings.AWS_REGION))


class SettingsForm(StyledForm):
    """What can be changed of an instance; which fields it has depends on its kind."""

    max_applications = forms.IntegerField(
        label="Room for", help_text="Environments.",
        widget=forms.TextInput(attrs={"inputmode": "numeric", "autocomplete": "off"}),
    )  # fmt: skip
    address = text(max_length=255, help_text="Under which its applications answer, if not that of SSH.")
    ssh_host = text(label="Host", max_length=253, required=True)
    ssh_port = SSHPortField(label="SSH port")
    ssh_user = text(label="Account", max_length=32, required=True)
    jump = forms.ModelChoiceField(
        Instance.objects.none(), required=False, empty_label="directly", label="Reached"
    )
    stop_at = forms.TimeField(
        required=False, label="Stop at (UTC)", widget=forms.TimeInput(attrs={"type": "time"}, format="%H:%M")
    )
    start_at = forms.TimeField(
        required=False, label="Start at (UTC)", widget=forms.TimeInput(attrs={"type": "time"}, format="%H:%M")
    )
    schedule_days = forms.MultipleChoiceField(
        choices=DAYS, required=False, label="On", widget=forms.CheckboxSelectMultiple
    )
    elastic = forms.BooleanField(required=False, label="Keep one address over stop and start (Elastic IP)")

    SERVER = ("address", "ssh_host", "ssh_port", "ssh_user", "jump")
    EC2 = ("stop_at", "start_at", "schedule_days", "elastic")

    def __init__(self, *args: Any, instance: Instance, jumps: QuerySet[Instance], **kwargs: Any) -> None:
        kept = {Kind.LOCAL: (), Kind.SERVER: self.SERVER, Kind.EC2: self.EC2}[Kind(instance.kind)]
        initial = {name: getattr(instance, name) for name in ("max_applications", *kept)}
        if "schedule_days" in initial:
            initial["schedule_days"] = [day for day in instance.schedule_days.split(",") if day]
        super().__init__(*args, initial=initial, **kwargs)
        for name in {*self.SERVER, *self.EC2} - set(kept):
            del self.fields[name]
        if "jump" in self.fields:
            field: Any = self.fields["jump"]
            field.queryset = jumps.exclude(pk=instance.pk)
            field.label_from_instance = lambda server: f"through {server.name}"

    def changes(self) -> dict[str, Any]:
        """The fields as the action takes them."""
        values = dict(self.cleaned_data)
        if "schedule_days" in values:
            values["schedule_days"] = ",".join(values["schedule_days"])
        return values
