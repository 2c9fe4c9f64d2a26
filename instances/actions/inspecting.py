"""Connecting to a machine and looking what is there."""

import logging

from django.db import transaction
from django.utils import timezone

from instances import checks, rules
from instances.checks import Check
from instances.hosts.base import HostError, HostRefused
from instances.hosts.facts import read_facts
from instances.hosts.of import host_of
from instances.models import Instance
from instances.states import Kind, Status
from portal.core import audit
from portal.core.models import User
from portal.core.refusals import audited

logger = logging.getLogger("portal.instances")

# What may change on a machine without anybody having meant it to.
WATCHED = ("os_version", "kernel", "docker", "nginx")

FIXES = {
    "ssh_auth_failed": (
        "The server does not take the portal's key. Put the line shown above into the account's "
        "~/.ssh/authorized_keys, then validate again."
    ),
    "ssh_host_key_changed": (
        "The server shows another key than the one pinned. Nothing was sent. If it was installed anew, propose "
        "the new key; if nobody did, treat it as an attack."
    ),
    "ssh_host_key_unknown": "Confirm the server's fingerprint first.",
}
UNREACHED = "Check that the server is on, that its address and port are right, and that its firewall lets the portal in."


@audited("instance.validate")
def validate(*, instance: Instance, by: User) -> list[Check]:
    """Connect with the pinned key, read the facts and keep them; what is well and what is not."""
    rules.check_can_validate(by, instance)
    try:
        facts = read_facts(host_of(instance))
    except HostError as error:
        return [_unreached(instance, error, by)]
    with transaction.atomic():
        keep_facts(instance, facts, by=by)
        found = checks.of_facts(facts)
        if instance.status in (Status.PENDING, Status.UNREACHABLE) and all(check.ok for check in found):
            instance.status, instance.trouble, instance.unreachable_since = Status.RUNNING, "", None
            instance.due_at = instance.due_at or timezone.now()
            instance.save(update_fields=["status", "trouble", "unreachable_since", "due_at"])
        audit.record(
            "instance.validate", instance, by=by, team=instance.team,
            wrong=[check.name for check in found if not check.ok],
        )  # fmt: skip
    return found


def keep_facts(instance: Instance, facts: dict[str, object], *, by: User | None = None) -> None:
    """Store what was found; a program that changed since the last look goes into the history."""
    before = instance.facts
    drift = {
        key: [before[key], facts.get(key)]
        for key in WATCHED
        if before.get(key) and before[key] != facts.get(key)
    }
    instance.facts, instance.checked_at = facts, timezone.now()
    instance.save(update_fields=["facts", "checked_at"])
    if drift:
        audit.record("instance.facts_changed", instance, by=by, team=instance.team, changes=drift)


def _unreached(instance: Instance, error: HostError, by: User) -> Check:
    logger.info("%s could not be validated: %s", instance, error)
    code = error.code if isinstance(error, HostRefused) else "unreachable"
    Instance.objects.filter(pk=instance.pk).update(checked_at=timezone.now())
    audit.record("instance.validate", instance, by=by, team=instance.team, failed=code)
    where = "this machine" if instance.kind == Kind.LOCAL else f"{instance.ssh_host}:{instance.ssh_port}"
    return Check("Connection", "bad", f"{where}: {error}", FIXES.get(code, UNREACHED))
