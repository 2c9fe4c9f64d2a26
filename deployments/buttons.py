"""The buttons of a page: what each does, what it asks first, and why it is disabled."""

from django.urls import reverse

from deployments import rules
from deployments.models import Deployment, Environment, Release
from portal.core.buttons import Button
from portal.core.models import User

__all__ = ["Button", "deployment_buttons", "environment_buttons", "protect_button", "rollback_button"]


def deployment_buttons(user: User, deployment: Deployment) -> list[Button]:
    """The header of a deployment, always in this order."""
    environment = deployment.environment
    return [
        Button(
            "cancel", "Cancel", "ban", _address("deployment-cancel", deployment),
            rules.why_not_cancel(user, deployment), tone="danger",
            question=f"Cancel {deployment}?",
            text="What it has done so far is undone.",
            consequences="What ran before goes on.\nThe log stays.",
            yes="Cancel the deployment",
        ),
        Button(
            "retry", "Retry", "retry", _address("deployment-retry", deployment),
            rules.why_not_retry(user, deployment),
        ),
        Button(
            "redeploy", "Redeploy", "redo", _address("deployment-redeploy", deployment),
            rules.why_not_redeploy(user, deployment),
            question=f"Put {deployment.release} into {environment.name} again?",
            text="The same commit and image, with the variables it was made with.",
            consequences="What is live now answers until the new one is healthy.",
            yes="Redeploy",
            typed=environment.name if environment.protected else "",
        ),
        Button(
            "rollback", "Roll back", "undo", _address("deployment-rollback", deployment),
            rules.why_not_rollback(user, environment),
            question=f"Roll {environment} back?",
            text="The last good release before the live one is put there again.",
            consequences="Nothing is built: its image is still there.\nWhat is live now answers until the other is healthy.",
            yes="Roll back",
            typed=environment.name if environment.protected else "",
        ),
    ]  # fmt: skip


def environment_buttons(user: User, environment: Environment) -> list[Button]:
    """What can be done with an environment and with what runs there."""
    if not rules.why_not_replace(user, environment):
        return [_replace_button(environment)]
    return [
        Button(
            f"deploy-{environment.pk}", "Deploy", "rocket", _place("environment-deploy", environment),
            rules.why_not_start(user, environment), tone="primary",
            question=f"Deploy the newest commit to {environment.name}?",
            text="The environment is protected; everybody who uses it is affected.",
            yes=f"Deploy to {environment.name}",
            typed=environment.name,
        )
        if environment.protected
        else Button(
            f"deploy-{environment.pk}", "Deploy", "rocket", _place("environment-deploy", environment),
            rules.why_not_start(user, environment), tone="primary",
        ),
        Button(
            f"restart-{environment.pk}", "Restart", "redo", _place("environment-restart", environment),
            rules.why_not_operate(user, environment),
            question=f"Restart {environment}?",
            text="It does not answer until it is up again.",
            yes="Restart",
        ),
        Button(
            f"run-{environment.pk}", "Start", "play", _place("environment-start", environment), rules.why_not_run(user, environment)
        )
        if not rules.why_not_run(user, environment)
        else Button(
            f"stop-{environment.pk}", "Stop", "square", _place("environment-stop", environment),
            rules.why_not_stop(user, environment), tone="danger",
            question=f"Stop {environment}?",
            text="Its URL answers 502 until somebody starts it again.",
            consequences="The release, its variables and its port are kept.",
            yes=f"Stop {environment.name}",
        ),
    ]  # fmt: skip


def _replace_button(environment: Environment) -> Button:
    """Nothing else helps when the machine is gone."""
    return Button(
        f"replace-{environment.pk}", "Deploy to a new machine", "rocket", _place("environment-replace", environment),
        tone="primary",
        question=f"Make a new machine for {environment}?",
        text=f"{environment.instance} is gone. One like it is made, and what was live is built and deployed there.",
        consequences="It costs as much as the one before.\nThe address changes, unless a host name leads there.",
        yes="Make it and deploy",
        typed=environment.name if environment.protected else "",
    )  # fmt: skip


def rollback_button(user: User, environment: Environment, release: Release) -> Button:
    """Bring one release back."""
    return Button(
        f"release-{release.pk}", "Roll back", "undo", _place("environment-rollback", environment, release.number),
        rules.why_not_rollback(user, environment, release), tone="small",
        question=f"Bring {release} back to {environment.name}?",
        text=f"{release.commit[:7]} {release.commit_subject}".strip(),
        consequences="Nothing is built: its image is still there.\nWhat is live now answers until the other is healthy.",
        yes=f"Roll back to {release}",
        typed=environment.name if environment.protected else "",
    )  # fmt: skip


def protect_button(user: User, environment: Environment, release: Release) -> Button:
    """Keep one release from cleanup, or let it go."""
    verb, label = ("unprotect", "Let go") if release.protected else ("protect", "Keep")
    return Button(
        f"{verb}-{release.pk}", label, "lock", _place(f"release-{verb}", environment, release.number),
        rules.why_not_protect(user, release), tone="small plain",
    )  # fmt: skip


def _address(name: str, deployment: Deployment) -> str:
    return reverse(name, args=[deployment.short_id])


def _place(name: str, environment: Environment, *more: int) -> str:
    return reverse(name, args=[environment.application.name, environment.name, *more])
