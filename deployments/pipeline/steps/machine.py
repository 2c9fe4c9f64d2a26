"""The machine under it: the firewall in front, the machine itself, and the way in."""

import random
from collections.abc import Callable
from typing import TypeVar

from django.conf import settings
from django.db.models.functions import Now

from deployments.pipeline import routes
from deployments.pipeline.context import Context
from deployments.pipeline.progress import DONE, Done, Progress, StepFailed, Wait, step
from deployments.states import Cleanup
from instances import access_keys, machines, wishes
from instances.clouds.base import CloudError, Machine
from instances.hosts.base import HostError, HostRefused
from instances.hosts.facts import read_facts
from instances.models import Instance
from instances.states import Kind, Status, Wanted

Answer = TypeVar("Answer")

EVERYBODY = ("0.0.0.0/0", "::/0")
LONGEST_PAUSE = 8.0
# A machine that has just started may not know our key for a moment.
REFUSALS_ALLOWED = 3
REFUSED_SECONDS = 2.0


@step("security_group", "Configure security group", timeout=180)
def security_group(ctx: Context) -> Progress:
    """Open what has to be open, close what no longer has to, before the machine exists."""
    instance = ctx.deployment.instance
    try:
        routes.hold_public_port(ctx.environment, usable=lambda port: True)
    except routes.NoPublicPort:
        raise StepFailed("no_port", "No public port is free.") from None
    ports = routes.ports_to_open(instance)
    group = _ask(ctx, lambda: machines.ensure_group(instance, ports))
    if isinstance(group, Wait):
        return group
    if settings.ALLOWED_SSH_IP in EVERYBODY:
        ctx.say("Port 22 is open to everybody; set ALLOWED_SSH_IP to the portal's own address.", "warning")
    public = ", ".join(str(port) for port in (routes.HTTP, routes.HTTPS, *ports))
    return Done(f"{group} lets in 22 from {settings.ALLOWED_SSH_IP}, and {public}.")


def clean_up(ctx: Context) -> Progress:
    """Keep, stop or terminate the machine that was made for this deployment, as its environment says."""
    instance = ctx.deployment.instance
    instance.refresh_from_db()
    policy = ctx.environment.on_failure
    if not ctx.facts.get("made_instance") or not instance.aws_id or _is_used(ctx, instance):
        return DONE
    if policy == Cleanup.KEEP:
        ctx.say(f"Clean-up: {instance} was made for this deployment and is kept, as its environment says.")
        return DONE
    wanted, end = {
        Cleanup.STOP: (Wanted.STOPPED, Status.STOPPED),
        Cleanup.TERMINATE: (Wanted.TERMINATED, Status.TERMINATED),
    }[Cleanup(policy)]
    if instance.status == end:
        ctx.say(f"Clean-up: {instance} is {instance.get_status_display().lower()}.")
        return DONE
    if instance.wanted != wanted:
        ctx.say(f"Clean-up: {instance} was made for this deployment and is to be {wanted}.")
        wishes.want(instance, wanted, reason=f"{ctx.deployment} failed.")
    return Wait(1.0)


@step("instance", "Provision instance", timeout=600, undo=clean_up)
def instance(ctx: Context) -> Progress:
    """Make the machine unless it is there, and wait until it runs."""
    instance = ctx.deployment.instance
    instance.refresh_from_db()
    if "made_instance" not in ctx.facts:
        ctx.remember(made_instance=not instance.aws_id and not _is_used(ctx, instance))
    machine = _ask(ctx, lambda: machines.ensure_machine(instance, warm=ctx.facts.get("base_images", ())))
    if isinstance(machine, Wait):
        return machine
    if machine is None:
        return Wait(min(2.0, max(0.2, ctx.seconds_in_step() / 5)))
    ctx.remember(**_facts(instance, machine))
    return Done(
        f"{machine.id} ({instance.instance_type}) runs in {machine.zone} at {instance.address}, "
        f"security group {instance.group_id}."
    )


@step("ssh", "Wait for SSH", timeout=600)
def wait_for_ssh(ctx: Context) -> Progress:
    """Sign in with the pinned key; what a refusal means is said at once, a silence is waited out."""
    try:
        facts = read_facts(ctx.host)
    except HostRefused as refusal:
        return _refused(ctx, refusal)
    except HostError as error:
        return _silent(ctx, error)
    if not facts.get("family"):
        found = facts.get("os_name") or "an unknown system"
        raise StepFailed("unsupported_system", f"The machine runs {found}.")
    _check_disk(facts)
    access_keys.renew_host_key(ctx.deployment.instance, ctx.host)
    Instance.objects.filter(pk=ctx.deployment.instance_id).update(facts=facts, checked_at=Now())
    ctx.deployment.instance.refresh_from_db()
    attempts = ctx.step.data.get("attempts", 0) + 1
    return Done(f"Signed in at attempt {attempts}: {facts['os_name']}, {facts['memory_mb']} MB of memory.")


def _ask(ctx: Context, act: Callable[[], Answer]) -> Answer | Wait:
    """Ask AWS; wait and ask again where that helps, fail with its words where it does not."""
    try:
        answer = act()
    except CloudError as error:
        if not error.again:
            raise StepFailed(error.code, error.detail) from None
        refusals = ctx.step.data.get("refusals", 0) + 1
        ctx.keep(refusals=refusals)
        pause = min(LONGEST_PAUSE, 2.0 ** min(refusals, 6)) * random.uniform(0.5, 1.0)  # noqa: S311
        ctx.say(f"AWS: {error.detail} Asking again in {pause:.0f} s.", level="warning")
        return Wait(pause)
    if ctx.step.data.get("refusals"):
        ctx.keep(refusals=0)
    return answer


def _is_used(ctx: Context, instance: Instance) -> bool:
    """Whether anything lives there, or anybody else is about to put something there."""
    others = instance.environments.exclude(pk=ctx.environment.pk).filter(application__deleted_at__isnull=True)
    return others.exists() or instance.environments.filter(live_release__isnull=False).exists()


def _facts(instance: Instance, machine: Machine) -> dict[str, str]:
    return {
        "instance_id": machine.id,
        "public_ip": machine.public_ip,
        "private_ip": machine.private_ip,
        "zone": machine.zone,
        "security_group": instance.group_id,
    }


def _refused(ctx: Context, refusal: HostRefused) -> Progress:
    """A key that is not known is final, but for the first seconds of a new machine."""
    young = ctx.facts.get("made_instance") and refusal.code == "ssh_auth_failed"
    refusals = ctx.step.data.get("key_refusals", 0) + 1
    ctx.keep(key_refusals=refusals, attempts=ctx.step.data.get("attempts", 0) + 1)
    if not young or refusals >= REFUSALS_ALLOWED:
        raise StepFailed(refusal.code, str(refusal))
    ctx.say(f"Attempt {refusals}: {refusal}", level="warning")
    return Wait(REFUSED_SECONDS)


def _silent(ctx: Context, error: HostError) -> Progress:
    """Say at each attempt what is wrong and how long it is still waited."""
    attempts = ctx.step.data.get("attempts", 0) + 1
    ctx.keep(attempts=attempts)
    _check_machine(ctx)
    left = wait_for_ssh.timeout_seconds - ctx.seconds_in_step()
    ctx.say(f"Attempt {attempts}: {error} {left:.0f} s left.")
    return Wait(min(5.0, 0.3 * 1.5 ** min(attempts, 8)))


def _check_machine(ctx: Context) -> None:
    """A machine that AWS has ended will never answer."""
    instance = ctx.deployment.instance
    if instance.kind != Kind.EC2:
        return
    instance.refresh_from_db()
    if instance.status in (Status.STOPPED, Status.TERMINATING, Status.TERMINATED):
        raise StepFailed("instance_gone", instance.trouble or f"{instance} is {instance.status}.")


def _check_disk(facts: dict[str, object]) -> None:
    free = facts.get("disk_free_mb")
    if isinstance(free, int) and free < 500:
        raise StepFailed("disk_full", f"{free} MB are free on the machine; a build needs some 2 GB.")
