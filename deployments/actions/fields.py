"""How actions take fields: known ones only, secrets sealed, refused by name when the model says so."""

from typing import Any

from django.core.exceptions import ValidationError

from deployments import inputs
from deployments.models import Application, Environment
from portal.core.errors import Invalid
from portal.core.secrets import Secret

SECRETS = {"git_token", "deploy_key"}


def canonical(git_url: str) -> str:
    """One spelling of the URL, to know a repository again; it is stored as people wrote it."""
    if not git_url:
        return ""
    try:
        inputs.check_git_url(git_url)
    except ValidationError as error:
        raise Invalid({"git_url": error.messages}) from None
    return inputs.normalise_git_url(git_url)


def refuse_unknown(fields: dict[str, Any], known: set[str]) -> None:
    unknown = set(fields) - known
    if unknown:
        raise Invalid(dict.fromkeys(sorted(unknown), "There is no such field."))


def assign(row: Application | Environment, fields: dict[str, Any]) -> None:
    for name, value in fields.items():
        setattr(row, name, Secret(value) if name in SECRETS else value)


def validate(row: Application | Environment) -> None:
    try:
        row.full_clean()
    except ValidationError as error:
        raise Invalid(error.message_dict) from None


def changes(before: dict[str, Any], row: Any, fields: dict[str, Any]) -> dict[str, Any]:
    """Old and new values for the audit; secrets only as changed."""
    changes: dict[str, Any] = {
        name: [str(old), str(getattr(row, name))] for name, old in before.items() if old != getattr(row, name)
    }
    return changes | {name: "changed" for name in fields if name in SECRETS}
