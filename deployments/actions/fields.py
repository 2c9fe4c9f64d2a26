"""How actions take fields: known ones only, read by one rule, secrets sealed, refused by name."""

from collections.abc import Callable
from typing import Any

from django.core.exceptions import ValidationError

from deployments import inputs
from deployments.inputs.proxy_options import parse_proxy_options
from deployments.models import Application, Environment
from portal.core.errors import Invalid
from portal.core.secrets import Secret

SECRETS = {"git_token", "deploy_key", "basic_auth"}


# What a column alone cannot check; each reads a value, or refuses it.
PARSERS: dict[str, Callable[[Any], Any]] = {
    "build_args": inputs.parse_build_args,
    "hooks": inputs.parse_hooks,
    "test_command": inputs.parse_command,
    "hostnames": inputs.parse_hostnames,
    "proxy_options": parse_proxy_options,
    "basic_auth": inputs.parse_basic_auth,
}


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
    """Set the fields as they are read; all that are refused are named at once."""
    problems = {}
    for name, value in fields.items():
        try:
            setattr(row, name, _read(name, value))
        except ValidationError as error:
            problems[name] = error.messages
    if problems:
        raise Invalid(problems)


def _read(name: str, value: Any) -> Any:
    parsed = PARSERS[name](value) if name in PARSERS else value
    return Secret(parsed) if name in SECRETS else parsed


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
