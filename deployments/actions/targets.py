"""Which instance a request means: this machine, one by its name, or one that is made for it."""

import secrets
from dataclasses import dataclass

from django.core.exceptions import ValidationError

from deployments.models import Application
from instances import actions
from instances.models import Instance
from instances.queries import visible_instances
from instances.states import Kind
from portal.core.errors import Invalid
from portal.core.models import User

# Words for a machine that is yet to be made; the first one is said in forms and messages.
NEW = ("ec2", "new")

WORDS = {"name": "instance_name"}


@dataclass(frozen=True)
class Wish:
    """Where to, in the words of a request; the others say what a new machine is like."""

    target: str
    name: str = ""
    instance_type: str = ""
    region: str = ""


def is_new(wish: Wish) -> bool:
    """Is a machine to be made?"""
    return wish.target in NEW


def instance_for(wish: Wish, *, application: Application, by: User) -> Instance:
    """The instance that is meant; a new one is made of AWS when the wish says so."""
    if wish.target in ("", Kind.LOCAL):
        return actions.ensure_local_instance()
    named = visible_instances(by).filter(name=wish.target, deleted_at__isnull=True).first()
    if named is not None:
        return named
    if is_new(wish):
        return _made_for(application, wish, by)
    raise Invalid(
        {
            "target": f"There is no instance named {wish.target!r}. Use local, ec2 for a new one, or a name of "
            "the instances page."
        }
    )


def _made_for(application: Application, wish: Wish, by: User) -> Instance:
    """A machine of AWS that is made with its first deployment."""
    try:
        return actions.create_ec2(
            by=by,
            name=wish.name or _free_name(application),
            team=application.team,
            region=wish.region,
            instance_type=wish.instance_type,
        )
    except ValidationError as error:
        # `name` is the application's in the words of a deployment.
        problems = error.message_dict
        raise Invalid({WORDS.get(field, field): texts for field, texts in problems.items()}) from None


def _free_name(application: Application) -> str:
    """Names of machines have at most 40 characters, and no two hyphens in a row."""
    return f"autodeploy-{application.name[:22].rstrip('-')}-{secrets.token_hex(3)}"
