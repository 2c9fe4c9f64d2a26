"""The places where things run."""

import uuid

from django.db import models
from django.urls import reverse

from instances.states import Kind, Status
from portal.core.models import Team


class Instance(models.Model):
    """A machine: this one, a server somebody else made, or one that the portal makes."""

    uuid = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    name = models.CharField(max_length=60, unique=True)
    kind = models.CharField(max_length=10, choices=Kind.choices)
    # No team: everybody who may deploy may use it.
    team = models.ForeignKey(Team, null=True, blank=True, on_delete=models.PROTECT, related_name="instances")
    status = models.CharField(max_length=12, choices=Status.choices, default=Status.PENDING)
    address = models.CharField(max_length=255, blank=True, help_text="Under which its applications answer.")
    # What was found there: operating system, engine, disk; read again by `actions.inspect`.
    facts = models.JSONField(default=dict, blank=True)
    checked_at = models.DateTimeField(null=True, blank=True)
    max_applications = models.PositiveSmallIntegerField(default=50)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name

    def get_absolute_url(self) -> str:
        return reverse("instance", args=[self.name])


class PortReservation(models.Model):
    """A port of an instance that is spoken for, so that two workers never choose the same one."""

    instance = models.ForeignKey(Instance, on_delete=models.CASCADE, related_name="ports")
    number = models.PositiveIntegerField()
    # The environment (a public port) or the deployment (the loopback port of its container).
    holder = models.UUIDField()
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["number"]
        constraints = [
            models.UniqueConstraint(fields=["instance", "number"], name="one_holder_per_port"),
            models.UniqueConstraint(fields=["instance", "holder"], name="one_port_per_holder"),
        ]

    def __str__(self) -> str:
        return f"{self.instance}:{self.number}"
