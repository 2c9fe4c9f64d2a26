"""The buttons of an instance: which are offered in its state, and why one is disabled."""

from django.urls import reverse

from instances import rules
from instances.models import Instance
from instances.states import Kind, Status, Wanted
from portal.core.buttons import Button
from portal.core.models import User


def power_buttons(user: User, instance: Instance) -> list[Button]:
    """Start for what is stopped, Stop and Reboot for what runs; nothing for what is under way."""
    if instance.kind == Kind.LOCAL or instance.wanted == Wanted.TERMINATED:
        return []
    found = []
    if instance.kind == Kind.EC2 and instance.status == Status.STOPPED:
        found.append(
            Button(
                f"start-{instance.pk}", "Start", "play", _at(instance, "start"),
                rules.why_not(rules.check_can_start, user, instance), tone="small",
            )
        )  # fmt: skip
    if instance.kind == Kind.EC2 and instance.status == Status.RUNNING:
        found.append(_stop(user, instance))
    return found


def detail_buttons(user: User, instance: Instance) -> list[Button]:
    """What the header of its page offers, always in this order."""
    found = [_larger(button) for button in power_buttons(user, instance)]
    planned = instance.kind == Kind.EC2 and not instance.aws_id and instance.due_at is None
    if planned and instance.status == Status.PENDING:
        found.append(
            Button(
                f"create-{instance.pk}", "Create now", "rocket", _at(instance, "create"),
                rules.why_not(rules.check_can_create_now, user, instance), tone="primary",
            )
        )  # fmt: skip
    if instance.kind != Kind.LOCAL and instance.status == Status.RUNNING:
        found.append(
            Button(
                f"reboot-{instance.pk}", "Reboot", "redo", _at(instance, "reboot"),
                rules.why_not(rules.check_can_reboot, user, instance),
                question=f"Reboot {instance.name}?",
                text="Its applications do not answer until it is up again; they start by themselves.",
                yes=f"Reboot {instance.name}",
            )
        )  # fmt: skip
    if instance.status == Status.RUNNING:
        name, label = ("undrain", "Take deployments again") if instance.draining else ("drain", "Drain")
        found.append(
            Button(
                f"{name}-{instance.pk}", label, "hand", _at(instance, name),
                rules.why_not(rules.check_can_manage, user, instance),
            )
        )  # fmt: skip
    return found


def _stop(user: User, instance: Instance) -> Button:
    return Button(
        f"stop-{instance.pk}", "Stop", "square", _at(instance, "stop"),
        rules.why_not(rules.check_can_stop, user, instance), tone="small",
        question=f"Stop {instance.name}?",
        text="Its applications do not answer until somebody starts it again.",
        consequences="Its disk is kept and goes on costing."
        + ("" if instance.elastic else "\nIts address changes with the next start; the portal follows it."),
        yes=f"Stop {instance.name}",
    )  # fmt: skip


def _larger(button: Button) -> Button:
    return Button(**{**button.__dict__, "tone": ""})


def _at(instance: Instance, name: str) -> str:
    return reverse(f"instance-{name}", args=[instance.name])
