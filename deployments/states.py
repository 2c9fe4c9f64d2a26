"""The states of deployments, steps and environments: how each looks, and which may follow which."""

from django.db import models

from portal.core.states import Look


class Status(models.TextChoices):
    """How far a deployment is."""

    WAITING_APPROVAL = "waiting_approval", "Waiting for approval"
    QUEUED = "queued", "Queued"
    RUNNING = "running", "Running"
    SUCCEEDED = "succeeded", "Succeeded"
    FAILED = "failed", "Failed"
    CANCELLING = "cancelling", "Cancelling"
    CANCELLED = "cancelled", "Cancelled"
    ROLLED_BACK = "rolled_back", "Rolled back"


LOOKS = {
    Status.WAITING_APPROVAL: Look("warn", "hand", "Somebody else has to approve it."),
    Status.QUEUED: Look("muted", "clock", "It starts when its turn comes."),
    Status.RUNNING: Look("info", "loader", "It is being carried out."),
    Status.SUCCEEDED: Look("good", "check", "It went live."),
    Status.FAILED: Look("bad", "x", "It did not go live; what ran before still answers."),
    Status.CANCELLING: Look("warn", "loader", "It is being undone."),
    Status.CANCELLED: Look("muted", "ban", "It was stopped and undone."),
    Status.ROLLED_BACK: Look("bad", "undo", "It was live for a moment and was taken back."),
}

TRANSITIONS = {
    Status.WAITING_APPROVAL: {Status.QUEUED, Status.CANCELLED},
    Status.QUEUED: {Status.RUNNING, Status.CANCELLED},
    Status.RUNNING: {Status.SUCCEEDED, Status.FAILED, Status.CANCELLING, Status.ROLLED_BACK},
    Status.CANCELLING: {Status.CANCELLED},
    Status.SUCCEEDED: set(),
    Status.FAILED: set(),
    Status.CANCELLED: set(),
    Status.ROLLED_BACK: set(),
}

# Held by at most one deployment of an environment.
ACTIVE = (Status.RUNNING, Status.CANCELLING)
UNFINISHED = (Status.WAITING_APPROVAL, Status.QUEUED, *ACTIVE)
FINISHED = (Status.SUCCEEDED, Status.FAILED, Status.CANCELLED, Status.ROLLED_BACK)


class StepStatus(models.TextChoices):
    """How far a step is."""

    PENDING = "pending", "Pending"
    RUNNING = "running", "Running"
    SUCCEEDED = "succeeded", "Succeeded"
    SKIPPED = "skipped", "Skipped"
    FAILED = "failed", "Failed"
    UNDONE = "undone", "Undone"


STEP_LOOKS = {
    StepStatus.PENDING: Look("muted", "circle", "Not begun."),
    StepStatus.RUNNING: Look("info", "loader", "Being carried out."),
    StepStatus.SUCCEEDED: Look("good", "check", "Done."),
    StepStatus.SKIPPED: Look("muted", "skip", "Not needed."),
    StepStatus.FAILED: Look("bad", "x", "Failed."),
    StepStatus.UNDONE: Look("muted", "undo", "Done, then taken back."),
}

STEP_TRANSITIONS = {
    StepStatus.PENDING: {StepStatus.RUNNING, StepStatus.SKIPPED},
    StepStatus.RUNNING: {
        StepStatus.RUNNING, StepStatus.SUCCEEDED, StepStatus.SKIPPED, StepStatus.FAILED, StepStatus.UNDONE,
    },
    StepStatus.SUCCEEDED: {StepStatus.UNDONE},
    StepStatus.SKIPPED: set(),
    StepStatus.FAILED: set(),
    StepStatus.UNDONE: set(),
}  # fmt: skip


class Health(models.TextChoices):
    """Whether what runs in an environment answers."""

    NOTHING = "nothing", "Nothing deployed"
    HEALTHY = "healthy", "Healthy"
    UNHEALTHY = "unhealthy", "Unhealthy"
    STOPPED = "stopped", "Stopped"
    LOST = "lost", "Lost"


HEALTH_LOOKS = {
    Health.NOTHING: Look("muted", "circle", "No deployment has gone live here yet."),
    Health.HEALTHY: Look("good", "check", "It answers its health path."),
    Health.UNHEALTHY: Look("bad", "alert", "It does not answer its health path; it is being restarted."),
    Health.STOPPED: Look("muted", "square", "Somebody stopped it."),
    Health.LOST: Look("bad", "x", "The machine it ran on is gone."),
}


class Wanted(models.TextChoices):
    """What people want of an environment; the watch makes it so."""

    RUNNING = "running", "Running"
    STOPPED = "stopped", "Stopped"


class Kind(models.TextChoices):
    """Why a deployment was made."""

    DEPLOY = "deploy", "Deploy"
    REDEPLOY = "redeploy", "Redeploy"
    RETRY = "retry", "Retry"
    ROLLBACK = "rollback", "Roll back"


class Cleanup(models.TextChoices):
    """What becomes of a machine that was made for a deployment which failed."""

    KEEP = "keep", "Keep it"
    STOP = "stop", "Stop it"
    TERMINATE = "terminate", "Terminate it"
