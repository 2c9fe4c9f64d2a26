"""The places where things run."""

from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import Q
from django.urls import reverse

from instances.states import Kind, OrphanKind, Status, Wanted
from portal.core.addresses import check_ssh_host
from portal.core.fields import Sealed
from portal.core.models import SealedRow, Team, User


class Instance(SealedRow):
    """A machine: this one, a server somebody else made, or one that the portal makes."""

    name = models.CharField(max_length=60, unique=True)
    kind = models.CharField(max_length=10, choices=Kind.choices)
    # No team: everybody who may deploy may use it.
    team = models.ForeignKey(Team, null=True, blank=True, on_delete=models.PROTECT, related_name="instances")
    status = models.CharField(max_length=12, choices=Status.choices, default=Status.PENDING)
    # What is wrong with it right now, as a sentence; empty when nothing is.
    trouble = models.CharField(max_length=500, blank=True, editable=False)
    address = models.CharField(max_length=255, blank=True, help_text="Under which its applications answer.")
    # What was found there: operating system, engine, disk; read again by `actions.inspect`.
    facts = models.JSONField(default=dict, blank=True)
    checked_at = models.DateTimeField(null=True, blank=True)
    max_applications = models.PositiveSmallIntegerField(default=50)
    created_at = models.DateTimeField(auto_now_add=True)
    created_by = models.ForeignKey(User, null=True, blank=True, on_delete=models.PROTECT, related_name="+")
    deleted_at = models.DateTimeField(null=True, blank=True, editable=False)

    # What people want of it; the fleet's turns make it so, one due row at a time.
    wanted = models.CharField(max_length=10, choices=Wanted.choices, default=Wanted.RUNNING, editable=False)
    # Takes no new deployments while somebody works on it.
    draining = models.BooleanField(default=False, editable=False)
    due_at = models.DateTimeField(null=True, blank=True, editable=False)
    unreachable_since = models.DateTimeField(null=True, blank=True, editable=False)
    # Hours in UTC on the days named (0 is Monday): stopped at the one, started at the other.
    stop_at = models.TimeField(null=True, blank=True)
    start_at = models.TimeField(null=True, blank=True)
    schedule_days = models.CharField(max_length=13, default="0,1,2,3,4", blank=True)
    scheduled_until = models.DateTimeField(null=True, blank=True, editable=False)

    # How it is reached.
    ssh_host = models.CharField(max_length=253, blank=True, validators=[check_ssh_host])
    ssh_port = models.PositiveIntegerField(
        default=22, validators=[MinValueValidator(1), MaxValueValidator(65535)]
    )
    ssh_user = models.CharField(max_length=32, blank=True)
    jump = models.ForeignKey(
        "self", null=True, blank=True, on_delete=models.PROTECT, related_name="behind",
        help_text="A server through which this one is reached.",
    )  # fmt: skip
    public_key = models.TextField(blank=True, editable=False)
    private_key_sealed = models.TextField(blank=True, editable=False)
    # Only these are accepted (`ssh-ed25519 AAAA…`); two while one replaces the other, none before the first.
    host_keys = models.JSONField(default=list, editable=False)
    # What the server showed and nobody has confirmed yet.
    offered_key = models.TextField(blank=True, editable=False)
    host_key_confirmed_by = models.ForeignKey(
        User, null=True, blank=True, editable=False, on_delete=models.PROTECT, related_name="+"
    )
    host_key_confirmed_at = models.DateTimeField(null=True, blank=True, editable=False)
    # Changing a pinned key takes two people: who asked for it, and somebody else.
    key_change_by = models.ForeignKey(
        User, null=True, blank=True, editable=False, on_delete=models.PROTECT, related_name="+"
    )

    # What only a machine of AWS has.
    region = models.CharField(max_length=30, blank=True)
    zone = models.CharField(max_length=40, blank=True, editable=False)
    subnet = models.CharField(max_length=40, blank=True)
    aws_id = models.CharField(max_length=40, blank=True, editable=False)
    aws_state = models.CharField(max_length=20, blank=True, editable=False)
    instance_type = models.CharField(max_length=30, blank=True)
    image_id = models.CharField("AMI", max_length=40, blank=True)
    volume_gb = models.PositiveIntegerField(default=20, validators=[MinValueValidator(8)])
    elastic = models.BooleanField("Elastic IP", default=False)
    allocation_id = models.CharField(max_length=40, blank=True, editable=False)
    group_id = models.CharField(max_length=40, blank=True, editable=False)
    key_pair = models.CharField(max_length=255, blank=True, editable=False)
    public_ip = models.CharField(max_length=45, blank=True, editable=False)
    private_ip = models.CharField(max_length=45, blank=True, editable=False)
    launched_at = models.DateTimeField(null=True, blank=True, editable=False)
    # When AWS last said anything about it.
    seen_at = models.DateTimeField(null=True, blank=True, editable=False)
    # Stored before the machine is asked for, with the very request, so that asking twice makes one.
    client_token = models.CharField(max_length=64, blank=True, editable=False)
    launch_sealed = models.TextField(blank=True, editable=False)

    private_key = Sealed("private_key_sealed")
    launch = Sealed("launch_sealed")

    class Meta:
        ordering = ["name"]
        constraints = [
            models.UniqueConstraint(fields=["aws_id"], condition=~Q(aws_id=""), name="one_row_per_machine"),
        ]
        indexes = [models.Index(fields=["due_at"], condition=Q(due_at__isnull=False), name="instance_due")]

    def __str__(self) -> str:
        return self.name

    def get_absolute_url(self) -> str:
        return reverse("instance", args=[self.name])


class Orphan(models.Model):
    """Something that AWS or a host has and the tables do not, or the other way round."""

    kind = models.CharField(max_length=16, choices=OrphanKind.choices)
    region = models.CharField(max_length=30, blank=True)
    # The host on which a container was found, or the row that AWS no longer knows.
    instance = models.ForeignKey(
        Instance, null=True, blank=True, on_delete=models.CASCADE, related_name="orphans"
    )
    identifier = models.CharField(max_length=200)
    name = models.CharField(max_length=200, blank=True)
    details = models.JSONField(default=dict)
    made_at = models.DateTimeField(null=True, blank=True)
    first_seen_at = models.DateTimeField(auto_now_add=True)
    seen_at = models.DateTimeField()
    # Somebody asked to delete it; the next turn does so.
    delete_asked_by = models.ForeignKey(
        User, null=True, blank=True, on_delete=models.PROTECT, related_name="+"
    )

    class Meta:
        ordering = ["first_seen_at"]
        constraints = [
            models.UniqueConstraint(fields=["kind", "region", "identifier"], name="one_row_per_orphan")
        ]

    def __str__(self) -> str:
        return f"{self.get_kind_display()} {self.name or self.identifier}"


class Measurement(models.Model):
    """What a machine was busy with at one moment; kept for thirty days."""

    instance = models.ForeignKey(Instance, on_delete=models.CASCADE, related_name="measurements")
    at = models.DateTimeField()
    cpu_percent = models.FloatField()
    memory_used = models.BigIntegerField()
    memory_total = models.BigIntegerField()
    disk_used = models.BigIntegerField()
    disk_total = models.BigIntegerField()
    # Bytes since the machine started; a graph shows the difference.
    network_in = models.BigIntegerField()
    network_out = models.BigIntegerField()
    containers = models.PositiveSmallIntegerField()

    class Meta:
        ordering = ["-at"]
        indexes = [models.Index(fields=["instance", "-at"], name="measurement_of_instance")]

    def __str__(self) -> str:
        return f"{self.instance} at {self.at:%Y-%m-%d %H:%M:%S}"


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
