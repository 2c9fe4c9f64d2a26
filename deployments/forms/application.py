"""How an application is built, run and checked, and the commands it brings along."""

from typing import Any

from django import forms

from deployments.forms.fields import BuildArgsField, CommandField, PortField, secret, text
from deployments.inputs.build_args import WARNING
from deployments.inputs.commands import MOMENTS
from deployments.models import Application
from portal.core.pages import StyledForm

HOOK = "hook_"
SEVERAL_LINES = "A value has several lines: change the build arguments through the API."


class SettingsForm(StyledForm):
    """The settings of an application, in the groups of its page."""

    git_url = text(label="Git URL", max_length=512)
    default_branch = text(max_length=200, placeholder="the repository's own")
    dockerfile = text(max_length=255, required=True)
    context = text(
        label="Build context", max_length=255, placeholder="the whole repository",
        help_text="The folder that the Dockerfile copies from.",
    )  # fmt: skip
    build_args = BuildArgsField(label="Build arguments", help_text=f"One NAME=value per line. {WARNING}")
    git_token = secret(label="Access token", help_text="For a private repository, with read access.")
    container_port = PortField(help_text="Empty: the port that the Dockerfile exposes, else 8000.")
    memory_mb = forms.IntegerField(label="Memory (MB)", min_value=64)
    cpus = forms.DecimalField(label="CPUs", min_value=0, max_digits=4, decimal_places=2)
    description = text(max_length=300)
    health_path = text(
        max_length=256,
        placeholder="/health, /healthz, /up or /",
        help_text="Must answer 200 before traffic switches. Empty: the first of the usual ones that answers.",
    )
    test_command = CommandField(
        placeholder="pytest -q",
        help_text="Runs in the built image before traffic switches; if it fails, nothing changes.",
    )
    hook_pre_build = CommandField(
        label=MOMENTS["pre_build"],
        placeholder="make assets",
        help_text="In the Dockerfile's base image, with the checkout to write to.",
    )
    hook_pre_deploy = CommandField(
        label=MOMENTS["pre_deploy"],
        placeholder="python manage.py migrate",
        help_text="In the new image. If it fails, traffic does not switch.",
    )
    hook_post_deploy = CommandField(
        label=MOMENTS["post_deploy"], placeholder="python warm_up.py", help_text="In the new image."
    )
    hook_on_failure = CommandField(
        label=MOMENTS["on_failure"],
        placeholder="python report.py",
        help_text="In the image that failed, once everything is undone.",
    )

    SECRETS = ("git_token",)

    def __init__(self, *args: Any, application: Application, **kwargs: Any) -> None:
        kwargs["initial"] = _initial(application, self.base_fields)
        super().__init__(*args, **kwargs)
        # An application that was made of an image has no repository, and needs none.
        self.fields["git_url"].required = bool(application.git_url)
        stored = "set ••••  (empty keeps it)" if application.git_token_sealed else "not set"
        self.fields["git_token"].widget.attrs["placeholder"] = stored
        if any("\n" in value or "\r" in value for value in application.build_args.values()):
            self.fields["build_args"].disabled = True
            self.fields["build_args"].help_text = SEVERAL_LINES

    def changes(self) -> dict[str, Any]:
        """What was given; an empty secret means that it stays."""
        given = {
            name: value
            for name, value in self.cleaned_data.items()
            if not name.startswith(HOOK) and (name not in self.SECRETS or value)
        }
        given["hooks"] = {
            moment: self.cleaned_data[HOOK + moment] for moment in MOMENTS if self.cleaned_data[HOOK + moment]
        }
        return given


def _initial(application: Application, fields: dict[str, Any]) -> dict[str, Any]:
    stored = {
        name: getattr(application, name)
        for name in fields
        if name not in SettingsForm.SECRETS and not name.startswith(HOOK)
    }
    return stored | {HOOK + moment: application.hooks.get(moment, "") for moment in MOMENTS}
