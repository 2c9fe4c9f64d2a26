"""The states of an instance, how each looks, and which may follow which."""

from django.db import models

from portal.core.states import Look


class Kind(models.TextChoices):
    """What sort of place an instance is."""

    LOCAL = "local", "This machine"
    SERVER = "server", "Server"
    EC2 = "ec2", "EC2 instance"


class Status(models.TextChoices):
    """What an instance is doing."""

    PENDING = "pending", "Pending"
    RUNNING = "running", "Running"
    STOPPING = "stopping", "Stopping"
    STOPPED = "stopped", "Stopped"
    TERMINATING = "terminating", "Terminating"
    TERMINATED = "terminated", "Terminated"
    UNREACHABLE = "unreachable", "Unreachable"


class Wanted(models.TextChoices):
    """What people want of an instance; the fleet's turns make it so."""

    RUNNING = "running", "Running"
    STOPPED = "stopped", "Stopped"
    TERMINATED = "terminated", "Terminated"


class OrphanKind(models.TextChoices):
    """What sort of thing is on one side only."""

    MACHINE = "machine", "Machine"
    GROUP = "group", "Security group"
    KEY_PAIR = "key_pair", "Key pair"
    ADDRESS = "address", "Elastic IP"
    CONTAINER = "container", "Container"
    # The row is there, AWS has nothing.
    ROW = "row", "Instance without a machine"


# Nothing runs on it, and asking it again cannot help.
GONE = (Status.STOPPING, Status.STOPPED, Status.TERMINATING, Status.TERMINATED)

LOOKS = {
    Status.PENDING: Look("info", "loader", "The machine is being made."),
    Status.RUNNING: Look("good", "check", "The machine answers."),
    Status.STOPPING: Look("info", "loader", "The machine is being stopped."),
    Status.STOPPED: Look("muted", "square", "The machine is stopped; nothing on it answers."),
    Status.TERMINATING: Look("warn", "loader", "The machine is being ended for good."),
    Status.TERMINATED: Look("muted", "x", "The machine is gone."),
    Status.UNREACHABLE: Look("bad", "alert", "The machine does not answer."),
}

TRANSITIONS = {
    Status.PENDING: {Status.RUNNING, Status.UNREACHABLE, Status.TERMINATING, Status.TERMINATED},
    Status.RUNNING: {
        Status.STOPPING,
        Status.STOPPED,
        Status.TERMINATING,
        Status.TERMINATED,
        Status.UNREACHABLE,
    },
    Status.STOPPING: {Status.STOPPED, Status.UNREACHABLE, Status.TERMINATED},
    Status.STOPPED: {Status.PENDING, Status.RUNNING, Status.TERMINATING, Status.TERMINATED},
    Status.TERMINATING: {Status.TERMINATED},
    Status.TERMINATED: set(),
    Status.UNREACHABLE: {Status.RUNNING, Status.STOPPED, Status.TERMINATING, Status.TERMINATED},
}
