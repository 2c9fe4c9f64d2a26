"""The variables of a release as they were: one sealed JSON object."""

import json

from deployments.models import Environment, Release
from portal.core.secrets import Secret


def take(environment: Environment) -> dict[str, str]:
    """The environment's variables as they are now."""
    return {variable.key: variable.value.reveal() for variable in environment.variables.all()}


def store(release: Release, variables: dict[str, str]) -> None:
    """Seal the variables into a release that is about to be saved."""
    release.variables = Secret(json.dumps(variables, ensure_ascii=False))
    release.variable_names = sorted(variables)


def parse_variables(release: Release) -> dict[str, str]:
    """The variables that a release was made with."""
    text = release.variables.reveal()
    parsed: dict[str, str] = json.loads(text) if text else {}
    return parsed
