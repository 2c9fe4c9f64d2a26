"""Which host key is trusted. The first is confirmed by a person; another takes two."""

from django.core.exceptions import ValidationError
from django.utils import timezone

from instances import rules
from instances.actions.fields import named
from instances.actions.making import set_key
from instances.hosts import keys
from instances.models import Instance
from portal.core import audit
from portal.core.conflicts import atomic_again
from portal.core.errors import ActionDenied, Invalid
from portal.core.models import User
from portal.core.refusals import audited

LONGEST_REASON = 300


@audited("instance.host_key_confirm")
@atomic_again
def confirm_host_key(*, instance: Instance, by: User, host_key: str) -> Instance:
    """Pin the key that a person compared with the server's, or pasted from it."""
    rules.check_can_connect(by, instance)
    line = _read(host_key)
    _pin(instance, line, by)
    audit.record(
        "instance.host_key_confirm", instance, by=by, team=instance.team, pinned=keys.fingerprint(line)
    )
    return instance


@audited("instance.host_key_propose")
@atomic_again
def propose_host_key(*, instance: Instance, by: User, host_key: str, reason: str) -> Instance:
    """Ask for another key in the place of the pinned one; until it is confirmed the old one counts."""
    rules.check_can_propose_key(by, instance)
    line = _read(host_key)
    if line in instance.host_keys:
        raise Invalid({"host_key": "This key is pinned already."})
    if not reason.strip() or len(reason) > LONGEST_REASON:
        raise Invalid({"reason": f"Say in 1 to {LONGEST_REASON} characters why the key has changed."})
    instance.offered_key, instance.key_change_by = line, by
    instance.save(update_fields=["offered_key", "key_change_by"])
    audit.record(
        "instance.host_key_propose", instance, by=by, team=instance.team, reason=reason.strip(),
        pinned=[keys.fingerprint(key) for key in instance.host_keys], proposed=keys.fingerprint(line),
    )  # fmt: skip
    return instance


@audited("instance.host_key_change")
@atomic_again
def confirm_key_change(*, instance: Instance, by: User, fingerprint: str) -> Instance:
    """Let the proposed key count; by somebody else than who proposed it, who names what was seen."""
    instance = Instance.objects.select_for_update().get(pk=instance.pk)
    rules.check_can_confirm_key(by, instance)
    if fingerprint != keys.fingerprint(instance.offered_key):
        raise ActionDenied("Another key was proposed meanwhile. Look again.", code="conflict")
    before = [keys.fingerprint(key) for key in instance.host_keys]
    proposer = instance.key_change_by
    _pin(instance, instance.offered_key, by)
    audit.record(
        "instance.host_key_change", instance, by=by, team=instance.team, before=before, pinned=fingerprint,
        proposed_by=str(proposer),
    )  # fmt: skip
    return instance


@audited("instance.host_key_refuse")
@atomic_again
def refuse_key_change(*, instance: Instance, by: User) -> Instance:
    """Throw a proposed key away; the pinned one stays."""
    rules.check_can_decide_key(by, instance)
    refused = keys.fingerprint(instance.offered_key)
    instance.offered_key, instance.key_change_by = "", None
    instance.save(update_fields=["offered_key", "key_change_by"])
    audit.record("instance.host_key_refuse", instance, by=by, team=instance.team, refused=refused)
    return instance


@audited("instance.key_replace")
@atomic_again
def replace_key(*, instance: Instance, by: User, private_key: str = "") -> Instance:
    """Sign in with another key from now on: an uploaded one, or one that the portal makes."""
    rules.check_can_replace_key(by, instance)
    set_key(instance, private_key)
    instance.save(update_fields=["public_key", "private_key_sealed"])
    audit.record(
        "instance.key_replace", instance, by=by, team=instance.team,
        key=keys.fingerprint(instance.public_key), uploaded=bool(private_key.strip()),
    )  # fmt: skip
    return instance


def _pin(instance: Instance, line: str, by: User) -> None:
    instance.host_keys = [line]
    instance.offered_key, instance.key_change_by = "", None
    instance.host_key_confirmed_by, instance.host_key_confirmed_at = by, timezone.now()
    instance.save(
        update_fields=[
            "host_keys", "offered_key", "key_change_by", "host_key_confirmed_by", "host_key_confirmed_at",
        ]
    )  # fmt: skip


def _read(host_key: str) -> str:
    try:
        return keys.check_public_key(host_key)
    except ValidationError as error:
        raise named("host_key", error) from None
