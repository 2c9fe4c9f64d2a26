"""Setting and removing the environment variables of an environment."""

from django.core.exceptions import ValidationError
from django.db import transaction
from django.db.models import F

from deployments import inputs, rules
from deployments.actions.conflicts import atomic_again
from deployments.actions.refusals import audited
from deployments.models import Environment, Variable
from portal.core import audit
from portal.core.errors import Invalid, NotFound
from portal.core.models import User
from portal.core.secrets import Secret


@audited("variable.set")
@atomic_again
def set_variable(
    *, environment: Environment, by: User, key: str, value: str, secret: bool = True
) -> Variable:
    """Store a variable; it reaches the application with the next deployment."""
    rules.check_can_set_variables(by, environment)
    _check(key, value)
    variable = Variable.objects.filter(environment=environment, key=key).first()
    created = variable is None
    variable = variable or Variable(environment=environment, key=key)
    variable.value = Secret(value)
    variable.secret = secret
    variable.updated_by = by
    variable.save()
    _count_up(environment)
    audit.record(
        "variable.set", environment, by=by, team=environment.application.team, key=key, value="changed",
        secret=secret, created=created,
    )  # fmt: skip
    return variable


@audited("variable.remove")
@transaction.atomic
def remove_variable(*, environment: Environment, by: User, key: str) -> None:
    """Forget a variable; the running application keeps it until the next deployment."""
    rules.check_can_set_variables(by, environment)
    removed, _ = Variable.objects.filter(environment=environment, key=key).delete()
    if not removed:
        raise NotFound
    _count_up(environment)
    audit.record("variable.removed", environment, by=by, team=environment.application.team, key=key)


def _check(key: str, value: str) -> None:
    problems = {}
    for field, check, text in (
        ("key", inputs.check_variable_name, key),
        ("value", inputs.check_variable_value, value),
    ):
        try:
            check(text)
        except ValidationError as error:
            problems[field] = error.messages
    if problems:
        raise Invalid(problems)


def _count_up(environment: Environment) -> None:
    Environment.objects.filter(pk=environment.pk).update(variables_version=F("variables_version") + 1)
