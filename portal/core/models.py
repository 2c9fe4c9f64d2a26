"""People, teams and what they may do, their tokens, and the record of what was done."""

import uuid

from django.contrib.auth.models import AbstractUser
from django.db import models
from django.db.models.functions import Now


class Role(models.TextChoices):
    """What a member of a team may do; the rights of each stand in `access.py`."""

    VIEWER = "viewer", "Viewer"
    DEPLOYER = "deployer", "Deployer"
    APPROVER = "approver", "Approver"
    ADMIN = "admin", "Team admin"


class User(AbstractUser):
    """A person who signs in. A superuser is a portal admin."""

    def __str__(self) -> str:
        return self.username


class Team(models.Model):
    """A group of people who own applications together."""

    name = models.CharField(max_length=80, unique=True)
    slug = models.SlugField(max_length=40, unique=True)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name


class Membership(models.Model):
    """One person's role in one team."""

    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="memberships")
    team = models.ForeignKey(Team, on_delete=models.CASCADE, related_name="memberships")
    role = models.CharField(max_length=10, choices=Role.choices)

    class Meta:
        ordering = ["team__name", "user__username"]
        constraints = [models.UniqueConstraint(fields=["user", "team"], name="one_role_per_team")]

    def __str__(self) -> str:
        return f"{self.user} is {self.get_role_display().lower()} in {self.team}"


class Token(models.Model):
    """A key for machines: shown once, kept as a keyed digest, with scopes and an end."""

    name = models.CharField(max_length=80, help_text="What uses it, such as “CI of churn-api”.")
    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="tokens")
    identifier = models.CharField(max_length=12, unique=True, editable=False)
    digest = models.CharField(max_length=64, editable=False)
    scopes = models.JSONField(default=list)
    created_at = models.DateTimeField(auto_now_add=True)
    expires_at = models.DateTimeField()
    revoked_at = models.DateTimeField(null=True, blank=True, editable=False)
    last_used_at = models.DateTimeField(null=True, blank=True, editable=False)
    last_used_from = models.GenericIPAddressField(null=True, blank=True, editable=False)

    class Meta:
        ordering = ["-created_at"]

    def __str__(self) -> str:
        return f"{self.name} (portal_{self.identifier}_…)"


class AuditEvent(models.Model):
    """Who did what to what, when, from where and why. Rows are only ever added."""

    at = models.DateTimeField(db_default=Now())
    action = models.CharField(max_length=60)
    actor = models.ForeignKey(User, null=True, blank=True, on_delete=models.PROTECT, related_name="+")
    actor_name = models.CharField(max_length=150, blank=True)
    surface = models.CharField(max_length=12, blank=True)
    address = models.GenericIPAddressField(null=True, blank=True)
    token = models.CharField(max_length=12, blank=True)
    request_id = models.CharField(max_length=64, blank=True)
    team = models.ForeignKey(Team, null=True, blank=True, on_delete=models.PROTECT, related_name="+")
    object_type = models.CharField(max_length=40, blank=True)
    object_id = models.CharField(max_length=64, blank=True)
    object_name = models.CharField(max_length=200, blank=True)
    allowed = models.BooleanField(default=True)
    reason = models.CharField(max_length=500, blank=True)
    details = models.JSONField(default=dict)
    previous_hash = models.CharField(max_length=64, blank=True)
    hash = models.CharField(max_length=64, unique=True)

    class Meta:
        ordering = ["-id"]
        indexes = [
            models.Index(fields=["object_type", "object_id", "-id"], name="audit_of_object"),
            models.Index(fields=["action", "-id"], name="audit_by_action"),
        ]

    def __str__(self) -> str:
        return f"{self.action} {self.object_name} by {self.actor_name or 'the portal'}"


class Heartbeat(models.Model):
    """The last sign of life of a part of the portal, by the database's clock."""

    name = models.CharField(max_length=60, primary_key=True)
    at = models.DateTimeField()
    details = models.JSONField(default=dict)

    def __str__(self) -> str:
        return self.name


class IdempotentRequest(models.Model):
    """The answer once given to an Idempotency-Key, kept for a day."""

    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="+")
    key = models.CharField(max_length=255)
    path = models.CharField(max_length=255)
    body_digest = models.CharField(max_length=64)
    status = models.PositiveSmallIntegerField(null=True)
    body = models.JSONField(null=True)
    headers = models.JSONField(default=dict)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["user", "key"], name="one_answer_per_key")]

    def __str__(self) -> str:
        return f"{self.key} by {self.user}"


class SealedRow(models.Model):
    """A row that keeps secrets: its uuid binds each sealed value to this very row."""

    uuid = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)

    class Meta:
        abstract = True
