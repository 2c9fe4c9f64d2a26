"""The form that makes a URL out of a Git URL or an image."""

from typing import Any

from django import forms
from django.db.models import QuerySet

from deployments.forms import targets
from deployments.forms.fields import PortField, secret, text
from instances.models import Instance
from portal.core.models import Team
from portal.core.pages import StyledForm

GIT, IMAGE = "git", "image"
# What belongs to one of the two sources, or to a new machine, says nothing otherwise.
ONLY = {GIT: ("git_url", "branch", "git_token", "context"), IMAGE: ("image",)}
ONLY_NEW = ("instance_name", "instance_type", "region")


class DeployForm(StyledForm):
    """Everything that a first deployment needs; only the URL or the image has to be given."""

    source = forms.ChoiceField(
        choices=[(GIT, "Git repository"), (IMAGE, "Image")], required=False, widget=forms.RadioSelect
    )
    git_url = text(
        label="Git URL",
        max_length=512,
        placeholder="https://github.com/owner/repository",
        inputmode="url",
    )
    image = text(
        max_length=255,
        placeholder="registry.example.org/team/app:1.2",
        help_text="Made elsewhere; nothing is cloned or built. With @sha256:… it is exactly that one.",
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
    region = forms.ChoiceField(required=False)
    instance_type = forms.ChoiceField(required=False)
    instance_name = text(label="Instance name", max_length=40, placeholder="from the application")
    container_port = PortField(
        help_text="Inside the container. Empty: the port that the Dockerfile exposes, else 8000."
    )
    host_port = PortField(
        label="Public port", public=True, help_text="Under which it answers. Empty: a free one is chosen."
    )
    context = text(
        label="Build context", max_length=255, placeholder="the whole repository",
        help_text="A folder of the repository, when the application is not at its top.",
    )  # fmt: skip
    git_token = secret(
        label="Access token",
        help_text="For a private repository, with read access. Stored encrypted, never shown again.",
    )

    def __init__(
        self, *args: Any, teams: QuerySet[Team], instances: QuerySet[Instance], **kwargs: Any
    ) -> None:
        super().__init__(*args, **kwargs)
        fields: dict[str, Any] = self.fields
        fields["team"].queryset = teams
        fields["target"].choices = targets.target_choices(instances)
        fields["region"].choices = targets.region_choices()
        fields["instance_type"].choices = targets.type_choices()
        fields["instance_type"].help_text = targets.price_note()

    def chosen(self) -> str:
        """The source that is chosen: as it says, else by what is filled in."""
        given = self["source"].value()
        if given in (GIT, IMAGE) and self.is_bound:
            return str(given)
        has_image = bool(self["image"].value()) or self.initial.get("source") == IMAGE
        return IMAGE if has_image and not self["git_url"].value() else GIT

    def wishes(self) -> dict[str, Any]:
        """What the chosen source and target need; the rest of the form was hidden."""
        given = dict(self.cleaned_data)
        del given["source"]
        hidden = [*ONLY[GIT if self.chosen() == IMAGE else IMAGE]]
        if given["target"] not in targets.NEW:
            hidden += ONLY_NEW
        wishes = {name: value for name, value in given.items() if name not in hidden}
        if not wishes.get("context"):
            wishes.pop("context", None)
        return wishes


def read_variables(keys: list[str], values: list[str]) -> dict[str, str]:
    """The rows of names and values; rows without a name are left out."""
    return {key: value for key, value in zip(keys, values, strict=False) if key}
