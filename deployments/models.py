"""Applications, the environments they run in, and each attempt to put a release there."""

import uuid
from typing import Any

from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import Q
from django.urls import reverse

from deployments import inputs
from deployments.states import ACTIVE, Cleanup, Health, Kind, Status, StepStatus, Wanted
from instances.models import Instance
from portal.core.fields import Sealed
from portal.core.models import SealedRow, Team, User


class Application(SealedRow):
    """A repository and how it runs."""

    name = models.CharField(max_length=40, validators=[inputs.check_app_name])
    team = models.ForeignKey(Team, on_delete=models.PROTECT, related_name="applications")
    git_url = models.CharField("Git URL", max_length=512, blank=True, validators=[inputs.check_git_url])
    # The URL in one canonical spelling: however people write it, it is the same repository.
    repository = models.CharField(max_length=512, blank=True, db_index=True, editable=False)
    default_branch = models.CharField(max_length=200, blank=True, validators=[inputs.check_branch])
    dockerfile = models.CharField(
        max_length=255, default="Dockerfile", validators=[inputs.check_dockerfile_path]
    )
    container_port = models.PositiveIntegerField(
        null=True, blank=True, validators=[MinValueValidator(1), MaxValueValidator(65535)],
        help_text="Empty: the port that the Dockerfile exposes, else 8000.",
    )  # fmt: skip
    health_path = models.CharField(
        max_length=256, blank=True, validators=[inputs.check_health_path],
        help_text="Empty: the first of /health, /healthz, /up and / that the application knows.",
    )  # fmt: skip
    # Kept for the test stage; run in the built image before traffic switches.
    test_command = models.CharField(max_length=500, blank=True)
    memory_mb = models.PositiveIntegerField("Memory (MB)", default=1024, validators=[MinValueValidator(64)])
    cpus = models.DecimalField(
        max_digits=4, decimal_places=2, default=1, validators=[MinValueValidator(0.05)]
    )
    # Where the build looks for its files, within the repository.
    context = models.CharField(
        "Build context", max_length=255, blank=True, validators=[inputs.check_context_path]
    )
    build_args = models.JSONField(default=dict, blank=True)
    # Commands by the moment at which they run: pre_build, pre_deploy, post_deploy, on_failure.
    hooks = models.JSONField(default=dict, blank=True)
    git_token_sealed = models.TextField(blank=True, editable=False)
    deploy_key_sealed = models.TextField(blank=True, editable=False)
    description = models.CharField(max_length=300, blank=True)
    created_by = models.ForeignKey(User, null=True, blank=True, on_delete=models.PROTECT, related_name="+")
    created_at = models.DateTimeField(auto_now_add=True)
    last_number = models.PositiveIntegerField(default=0, editable=False)
    deleted_at = models.DateTimeField(null=True, blank=True, editable=False)

    git_token = Sealed("git_token_sealed")
    deploy_key = Sealed("deploy_key_sealed")

    class Meta:
        ordering = ["name"]
        constraints = [
            models.UniqueConstraint(
                fields=["name"], condition=Q(deleted_at__isnull=True), name="one_application_per_name"
            ),
        ]

    def __str__(self) -> str:
        return self.name

    def get_absolute_url(self) -> str:
        return reverse("application", args=[self.name])


class Environment(SealedRow):
    """One place of an application: where it runs, with which variables, and what is live there."""

    application = models.ForeignKey(Application, on_delete=models.CASCADE, related_name="environments")
    name = models.CharField(max_length=40, default="dev", validators=[inputs.check_environment_name])
    instance = models.ForeignKey(Instance, on_delete=models.PROTECT, related_name="environments")
    branch = models.CharField(max_length=200, blank=True, validators=[inputs.check_branch])
    needs_approval = models.BooleanField(default=False)
    # Protected environments (production) have stricter rights.
    protected = models.BooleanField(default=False)
    public_port = models.PositiveIntegerField(
        null=True, blank=True, validators=[inputs.check_public_port],
        help_text="Empty: a free one is chosen at the first deployment.",
    )  # fmt: skip
    # Names under which it answers on a machine that several share; empty: the machine's own address.
    hostnames = models.JSONField(default=list, blank=True)
    path_prefix = models.CharField(max_length=100, blank=True, validators=[inputs.check_path_prefix])
    https = models.BooleanField(
        "HTTPS", default=False, help_text="A certificate of Let's Encrypt; http redirects."
    )
    certificate_until = models.DateTimeField(null=True, blank=True, editable=False)
    # Body size, timeouts, headers, allow-list: see deployments/inputs/proxy_options.py.
    proxy_options = models.JSONField(default=dict, blank=True)
    basic_auth_sealed = models.TextField(blank=True, editable=False)
    # What becomes of a machine that was made for a deployment which failed.
    on_failure = models.CharField(max_length=10, choices=Cleanup.choices, default=Cleanup.KEEP)
    variables_version = models.PositiveIntegerField(default=0, editable=False)
    wanted = models.CharField(max_length=8, choices=Wanted.choices, default=Wanted.RUNNING, editable=False)
    restart_asked = models.BooleanField(default=False, editable=False)

    live_deployment = models.ForeignKey(
        "Deployment", null=True, blank=True, editable=False, on_delete=models.SET_NULL, related_name="+"
    )
    live_release = models.ForeignKey(
        "Release", null=True, blank=True, editable=False, on_delete=models.SET_NULL, related_name="+"
    )
    live_container = models.CharField(max_length=100, blank=True, editable=False)
    live_port = models.PositiveIntegerField(null=True, blank=True, editable=False)
    url = models.CharField(max_length=300, blank=True, editable=False)
    health = models.CharField(max_length=10, choices=Health.choices, default=Health.NOTHING, editable=False)
    health_detail = models.CharField(max_length=300, blank=True, editable=False)
    health_since = models.DateTimeField(null=True, blank=True, editable=False)
    checked_at = models.DateTimeField(null=True, blank=True, editable=False)
    failures = models.PositiveSmallIntegerField(default=0, editable=False)
    restarts = models.PositiveIntegerField(default=0, editable=False)
    next_check_at = models.DateTimeField(null=True, blank=True, editable=False)
    next_restart_at = models.DateTimeField(null=True, blank=True, editable=False)
    created_at = models.DateTimeField(auto_now_add=True)

    basic_auth = Sealed("basic_auth_sealed")

    class Meta:
        ordering = ["application__name", "name"]
        constraints = [
            models.UniqueConstraint(fields=["application", "name"], name="one_environment_per_name"),
        ]
        indexes = [models.Index(fields=["next_check_at"], name="environment_to_check")]

    def __str__(self) -> str:
        return f"{self.application.name}/{self.name}"

    def get_absolute_url(self) -> str:
        return f"{self.application.get_absolute_url()}#{self.name}"


class Variable(SealedRow):
    """One environment variable; a secret one is never shown again."""

    environment = models.ForeignKey(Environment, on_delete=models.CASCADE, related_name="variables")
    key = models.CharField(max_length=128, validators=[inputs.check_variable_name])
    value_sealed = models.TextField(blank=True, editable=False)
    secret = models.BooleanField(default=True)
    updated_at = models.DateTimeField(auto_now=True)
    updated_by = models.ForeignKey(User, null=True, blank=True, on_delete=models.PROTECT, related_name="+")

    value = Sealed("value_sealed")

    class Meta:
        ordering = ["key"]
        constraints = [models.UniqueConstraint(fields=["environment", "key"], name="one_value_per_variable")]

    def __str__(self) -> str:
        return self.key


class Release(SealedRow):
    """What a deployment put somewhere. Never changed after it was made."""

    environment = models.ForeignKey(Environment, on_delete=models.CASCADE, related_name="releases")
    number = models.PositiveIntegerField()
    commit = models.CharField(max_length=40, blank=True)
    commit_subject = models.CharField(max_length=300, blank=True)
    commit_author = models.CharField(max_length=200, blank=True)
    ref = models.CharField(max_length=200, blank=True)
    runtime = models.CharField(max_length=10)
    image = models.CharField(max_length=200)
    image_digest = models.CharField(max_length=100, blank=True)
    image_size = models.BigIntegerField(null=True)
    container_port = models.PositiveIntegerField()
    health_path = models.CharField(max_length=256)
    memory_mb = models.PositiveIntegerField()
    cpus = models.DecimalField(max_digits=4, decimal_places=2)
    variable_names = models.JSONField(default=list)
    # A JSON object of all variables as they were, sealed.
    variables_sealed = models.TextField(blank=True, editable=False)
    variables_version = models.PositiveIntegerField(default=0)
    # How it was reached: host names, path prefix, proxy options.
    proxy = models.JSONField(default=dict)
    # Stays when older releases are removed.
    protected = models.BooleanField(default=False)
    # False once its image was removed: it can no longer be rolled back to.
    kept = models.BooleanField(default=True)
    # True once it has been live: only such a release is offered for a rollback.
    proven = models.BooleanField(default=False)
    created_at = models.DateTimeField(auto_now_add=True)

    variables = Sealed("variables_sealed")

    class Meta:
        ordering = ["-number"]
        constraints = [
            models.UniqueConstraint(fields=["environment", "number"], name="one_release_per_number")
        ]

    def __str__(self) -> str:
        return f"v{self.number}"


class Deployment(models.Model):
    """One attempt to put one release into one environment."""

    uuid = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    short_id = models.CharField(max_length=8, db_index=True, editable=False)
    application = models.ForeignKey(Application, on_delete=models.CASCADE, related_name="deployments")
    environment = models.ForeignKey(Environment, on_delete=models.CASCADE, related_name="deployments")
    instance = models.ForeignKey(Instance, on_delete=models.PROTECT, related_name="deployments")
    number = models.PositiveIntegerField()
    kind = models.CharField(max_length=10, choices=Kind.choices, default=Kind.DEPLOY)
    # From which surface it was asked for: page, admin, api, command.
    source = models.CharField(max_length=12)
    status = models.CharField(max_length=16, choices=Status.choices, default=Status.QUEUED)
    requested_by = models.ForeignKey(
        User, null=True, blank=True, on_delete=models.PROTECT, related_name="deployments"
    )
    # The deployment that this one repeats, or whose release it brings back.
    origin = models.ForeignKey("self", null=True, blank=True, on_delete=models.SET_NULL, related_name="+")
    release = models.ForeignKey(
        Release, null=True, blank=True, on_delete=models.SET_NULL, related_name="deployments"
    )
    ref = models.CharField(max_length=200, blank=True)
    commit = models.CharField(max_length=40, blank=True)
    commit_subject = models.CharField(max_length=300, blank=True)
    # What the request asked for, e.g. {"no_cache": true}.
    options = models.JSONField(default=dict)
    # What steps found out and later steps need; written under the fence.
    facts = models.JSONField(default=dict)
    url = models.CharField(max_length=300, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)
    started_at = models.DateTimeField(null=True, blank=True)
    finished_at = models.DateTimeField(null=True, blank=True)
    # Set once the attempt is being ended: how it will end when everything is undone.
    ending = models.CharField(max_length=16, blank=True)
    failure_code = models.CharField(max_length=40, blank=True)
    failure_detail = models.TextField(blank=True)
    # Evidence gathered on failure: container logs, exit code and so on.
    evidence = models.JSONField(default=dict)
    traffic_moved = models.BooleanField(default=False)
    cancel_requested_at = models.DateTimeField(null=True, blank=True)
    cancelled_by = models.ForeignKey(User, null=True, blank=True, on_delete=models.PROTECT, related_name="+")
    superseded_by = models.ForeignKey(
        "self", null=True, blank=True, on_delete=models.SET_NULL, related_name="supersedes"
    )

    # The claim: who works on it until when; `fence` rises with each claim, and every write names it.
    due_at = models.DateTimeField(null=True, blank=True)
    lease_owner = models.CharField(max_length=80, blank=True)
    lease_until = models.DateTimeField(null=True, blank=True)
    fence = models.PositiveIntegerField(default=0)

    log_count = models.PositiveIntegerField(default=0)
    log_bytes = models.BigIntegerField(default=0)

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.UniqueConstraint(fields=["application", "number"], name="one_deployment_per_number"),
            models.UniqueConstraint(
                fields=["environment"], condition=Q(status__in=ACTIVE), name="one_active_per_environment"
            ),
            models.UniqueConstraint(
                fields=["environment"], condition=Q(status=Status.QUEUED), name="one_next_per_environment"
            ),
        ]
        indexes = [
            models.Index(fields=["due_at"], condition=Q(due_at__isnull=False), name="deployment_due"),
            models.Index(fields=["status", "-id"], name="deployment_by_status"),
            models.Index(fields=["environment", "-id"], name="deployment_by_environment"),
            models.Index(fields=["application", "-id"], name="deployment_by_application"),
        ]

    def __str__(self) -> str:
        return f"{self.application.name} #{self.number}"

    def save(self, *args: Any, **kwargs: Any) -> None:
        # The short id is a column, not a property, because people search by it.
        self.short_id = self.uuid.hex[:8]
        super().save(*args, **kwargs)

    def get_absolute_url(self) -> str:
        return reverse("deployment", args=[self.short_id])

    @property
    def is_finished(self) -> bool:
        return self.finished_at is not None


class Step(models.Model):
    """One row of a deployment's plan."""

    deployment = models.ForeignKey(Deployment, on_delete=models.CASCADE, related_name="steps")
    number = models.PositiveSmallIntegerField()
    key = models.CharField(max_length=30)
    title = models.CharField(max_length=60)
    status = models.CharField(max_length=10, choices=StepStatus.choices, default=StepStatus.PENDING)
    # One sentence: what it found, why it was skipped, why it failed.
    message = models.CharField(max_length=500, blank=True)
    started_at = models.DateTimeField(null=True, blank=True)
    finished_at = models.DateTimeField(null=True, blank=True)
    # How often a worker died while it worked on this step.
    deaths = models.PositiveSmallIntegerField(default=0)
    # Job cursors and whatever else the step keeps between its calls.
    data = models.JSONField(default=dict)

    class Meta:
        ordering = ["number"]
        constraints = [
            models.UniqueConstraint(fields=["deployment", "number"], name="one_step_per_number"),
        ]

    def __str__(self) -> str:
        return f"{self.number}. {self.title}"


class LogChunk(models.Model):
    """Consecutive log lines, stored as one row per flush; sealed into larger ones when a step ends."""

    deployment = models.ForeignKey(Deployment, on_delete=models.CASCADE, related_name="log_chunks")
    step = models.PositiveSmallIntegerField()
    first = models.PositiveIntegerField()
    count = models.PositiveIntegerField()
    sealed = models.BooleanField(default=False)
    body = models.BinaryField()

    class Meta:
        ordering = ["first"]
        constraints = [
            models.UniqueConstraint(fields=["deployment", "first"], name="one_chunk_per_first_line"),
        ]

    def __str__(self) -> str:
        return f"lines {self.first}–{self.first + self.count - 1}"
