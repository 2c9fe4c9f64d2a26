"""Tasks of the roof itself."""

from portal.core import heartbeat

CANARY = "canary"
HOUSEKEEPING = "housekeeping"


def canary() -> None:
    """Prove that the queue works: whoever reads this heartbeat knows that a worker ran a task."""
    heartbeat.beat(CANARY)


def housekeeping() -> None:
    """Clear away what is kept for a while only: answers to repeated requests, ended sessions."""
    from django.core.management import call_command

    from portal.api.idempotency import forget_old_answers

    heartbeat.beat(HOUSEKEEPING)
    forget_old_answers()
    call_command("clearsessions")
