"""What answers say about instances."""

from decimal import Decimal
from typing import Any

from drf_spectacular.utils import OpenApiExample
from rest_framework import serializers

from instances import costs, listing
from instances.hosts.keys import fingerprint
from instances.models import Instance, Orphan
from instances.states import Kind, OrphanKind, Status, Wanted
from portal.api.describe import example, list_example, list_shape, looks_like
from portal.api.links import absolute, api_link


class InstanceLinks(serializers.Serializer[Any]):
    """Where to look next."""

    self = serializers.URLField()
    page = serializers.URLField(help_text="For people.")


class InstanceShape(serializers.Serializer[Instance]):
    """An instance as a row of a list."""

    id = serializers.UUIDField(source="uuid")
    name = serializers.CharField()
    kind = serializers.ChoiceField(choices=Kind.choices)
    status = serializers.ChoiceField(choices=Status.choices)
    aws_state = serializers.SerializerMethodField(help_text="Null for what is not on AWS.")
    state_match = serializers.SerializerMethodField(help_text="Whether AWS says the same; null without AWS.")
    source = serializers.SerializerMethodField()  # type: ignore[assignment]
    team = serializers.CharField(source="team.slug", default=None, allow_null=True)
    address = serializers.CharField()
    instance_id = serializers.CharField(source="aws_id", help_text="What AWS calls it; empty without AWS.")
    instance_type = serializers.CharField()
    region = serializers.CharField()
    zone = serializers.CharField()
    public_ip = serializers.CharField()
    private_ip = serializers.CharField()
    launched_at = serializers.DateTimeField(allow_null=True)
    wanted = serializers.ChoiceField(choices=Wanted.choices)
    draining = serializers.BooleanField()
    trouble = serializers.CharField(help_text="What is wrong with it now; empty when nothing is.")
    ssh_host = serializers.CharField()
    ssh_port = serializers.IntegerField()
    ssh_user = serializers.CharField()
    public_key = serializers.CharField(help_text="Belongs into the account's authorized_keys.")
    host_key_fingerprints = serializers.SerializerMethodField(help_text="Only these are accepted.")
    cost_per_hour = serializers.SerializerMethodField(help_text="US dollars while it runs; null if unknown.")
    applications = serializers.IntegerField(source="environment_count", help_text="Environments on it.")
    max_applications = serializers.IntegerField()
    checked_at = serializers.DateTimeField(allow_null=True)
    created_at = serializers.DateTimeField()
    links = serializers.SerializerMethodField()

    @looks_like(serializers.CharField(allow_null=True))
    def get_aws_state(self, instance: Instance) -> str | None:
        return instance.aws_state or None

    @looks_like(serializers.CharField(allow_null=True))
    def get_cost_per_hour(self, instance: Instance) -> str | None:
        price = costs.price(instance)
        return str(price.hour.quantize(Decimal("0.0001"))) if price else None

    @looks_like(serializers.ListField(child=serializers.CharField()))
    def get_host_key_fingerprints(self, instance: Instance) -> list[str]:
        return [fingerprint(line) for line in instance.host_keys]

    @looks_like(serializers.BooleanField(allow_null=True))
    def get_state_match(self, instance: Instance) -> bool | None:
        return listing.state_match(instance)

    @looks_like(serializers.ChoiceField(choices=["db_only", "aws_only", "db+aws"]))
    def get_source(self, instance: Instance) -> str:
        return listing.source_of(instance)

    @looks_like(InstanceLinks)
    def get_links(self, instance: Instance) -> dict[str, str]:
        request = self.context["request"]
        return {
            "self": api_link(request, "instance", instance.name),
            "page": absolute(request, instance.get_absolute_url()),
        }


class PlacedShape(serializers.Serializer[Any]):
    """An environment that is on the instance."""

    application = serializers.CharField(source="application.name")
    environment = serializers.CharField(source="name")
    url = serializers.CharField()
    health = serializers.CharField()


class InstanceAnswer(serializers.Serializer[Any]):
    """An instance, what is on it, and what was found there."""

    success = serializers.BooleanField()
    instance = InstanceShape()
    applications = PlacedShape(many=True)
    facts = serializers.DictField(help_text="What was found there at the last check.")
    metrics = serializers.DictField(help_text="The newest measurement; empty before the first.")


class DoneAnswer(serializers.Serializer[Any]):
    """An instance after something was asked of it; it becomes so within seconds."""

    success = serializers.BooleanField()
    instance = InstanceShape()


class ChangeShape(serializers.Serializer[Any]):
    """An instance whose state was another than the portal thought."""

    instance_id = serializers.CharField()
    old_status = serializers.CharField()
    new_status = serializers.CharField()


class SyncAnswer(serializers.Serializer[Any]):
    """What was compared with AWS, and what has changed."""

    success = serializers.BooleanField()
    synced = serializers.IntegerField()
    changes = ChangeShape(many=True)


class CheckShape(serializers.Serializer[Any]):
    """One thing that was looked at on a server."""

    name = serializers.CharField()
    ok = serializers.BooleanField()
    tone = serializers.ChoiceField(choices=["good", "warn", "bad"])
    message = serializers.CharField()
    fix = serializers.CharField()


class ServerChecksAnswer(serializers.Serializer[Any]):
    """What was found on a server."""

    success = serializers.BooleanField(help_text="Nothing keeps deployments away.")
    checks = CheckShape(many=True)
    instance = InstanceShape()


class OfferedAnswer(serializers.Serializer[Any]):
    """The host key that a server shows now, beside the pinned ones."""

    success = serializers.BooleanField()
    host_key = serializers.CharField()
    fingerprint = serializers.CharField()
    pinned = serializers.ListField(child=serializers.CharField())
    changed = serializers.BooleanField(help_text="Another key than the pinned one.")
    proposed = serializers.CharField(help_text="A fingerprint that waits for a second person.")
    problem = serializers.CharField()


class OrphanShape(serializers.Serializer[Orphan]):
    """What is on one side only."""

    id = serializers.IntegerField(source="pk")
    kind = serializers.ChoiceField(choices=OrphanKind.choices)
    identifier = serializers.CharField()
    name = serializers.CharField()
    region = serializers.CharField()
    source = serializers.SerializerMethodField()  # type: ignore[assignment]
    aws_state = serializers.SerializerMethodField()
    made_at = serializers.DateTimeField(allow_null=True)
    first_seen_at = serializers.DateTimeField()
    cost_per_day = serializers.SerializerMethodField(help_text="US dollars; null if unknown.")
    delete_asked_by = serializers.CharField(source="delete_asked_by.username", default=None, allow_null=True)

    @looks_like(serializers.ChoiceField(choices=["db_only", "aws_only"]))
    def get_source(self, orphan: Orphan) -> str:
        return "db_only" if orphan.kind == OrphanKind.ROW else "aws_only"

    @looks_like(serializers.CharField(allow_null=True))
    def get_aws_state(self, orphan: Orphan) -> str | None:
        return str(orphan.details.get("state") or "") or None

    @looks_like(serializers.CharField(allow_null=True))
    def get_cost_per_day(self, orphan: Orphan) -> str | None:
        price = listing.per_day(orphan)
        return str(price.day.quantize(Decimal("0.01"))) if price else None


class StrayShape(serializers.Serializer[Orphan]):
    """A machine that only AWS has, as a row among instances."""

    id = serializers.CharField(source="identifier")
    name = serializers.CharField()
    kind = serializers.CharField(default=Kind.EC2)
    status = serializers.SerializerMethodField()
    aws_state = serializers.SerializerMethodField()
    state_match = serializers.BooleanField(default=False)
    source = serializers.CharField(default="aws_only")  # type: ignore[assignment]
    region = serializers.CharField()
    instance_id = serializers.CharField(source="identifier")
    launched_at = serializers.DateTimeField(source="made_at", allow_null=True)

    def get_status(self, orphan: Orphan) -> str:
        return "unknown"

    def get_aws_state(self, orphan: Orphan) -> str | None:
        return str(orphan.details.get("state") or "") or None


class OrphanAnswer(serializers.Serializer[Any]):
    """An orphan after something was asked of it."""

    success = serializers.BooleanField()
    orphan = OrphanShape()


INSTANCES = list_shape("InstanceList", "instances", InstanceShape)
ROW: dict[str, Any] = {
    "id": "c0a8a8f4-3c3e-4f7e-9a44-1f6f2b8f9b10", "name": "local", "kind": "local", "status": "running",
    "aws_state": None, "state_match": None, "source": "db_only", "team": None, "address": "127.0.0.1",
    "instance_id": "", "instance_type": "", "region": "", "zone": "", "public_ip": "", "private_ip": "",
    "launched_at": None, "wanted": "running", "draining": False, "trouble": "", "ssh_host": "", "ssh_port": 22,
    "ssh_user": "", "public_key": "", "host_key_fingerprints": [], "cost_per_hour": None,
    "applications": 1, "max_applications": 50, "checked_at": "2026-01-31T12:00:00Z",
    "created_at": "2026-01-30T09:00:00Z",
    "links": {
        "self": "https://portal.example/api/v1/instances/local",
        "page": "https://portal.example/instances/local",
    },
}  # fmt: skip
LIST_EXAMPLE = example(
    "One page",
    {
        "success": True, "count": 1, "next": None, "previous": None, "instances": [ROW], "results": [ROW],
    })  # fmt: skip
ONE_EXAMPLE = example(
    "An instance",
    {
        "success": True,
        "instance": ROW,
        "applications": [
            {
                "application": "sentiment-api", "environment": "dev",
                "url": "http://127.0.0.1:20000/", "health": "healthy",
            }
        ],
        "facts": {"cpus": 2},
        "metrics": {"at": "2026-01-31T12:00:00Z", "cpu_percent": 12.5},
    })  # fmt: skip
MACHINE: dict[str, Any] = ROW | {
    "name": "churn-prod", "kind": "ec2", "status": "stopping", "wanted": "stopped", "aws_state": "running",
    "state_match": False, "source": "db+aws", "team": "data", "instance_id": "i-0a1b2c3d4e5f60718",
    "instance_type": "t3.small", "region": "eu-central-1", "zone": "eu-central-1a",
}  # fmt: skip
DONE = {"success": True, "instance": MACHINE}
CHANGED_EXAMPLE = example("Changed", DONE)
MADE_EXAMPLE = example("Added", DONE, status="201")
ASKED_EXAMPLE = example("Asked for", DONE, status="202")
SYNC_EXAMPLE = example(
    "One was stopped behind our back",
    {
        "success": True,
        "synced": 3,
        "changes": [
            {
                "instance_id": "c0a8a8f4-3c3e-4f7e-9a44-1f6f2b8f9b10",
                "old_status": "running", "new_status": "stopped",
            }
        ],
    })  # fmt: skip
VALIDATE_EXAMPLE = example(
    "Ready",
    {
        "success": True,
        "checks": [{"name": "Docker", "ok": True, "tone": "good", "message": "26.1.3", "fix": ""}],
        "instance": ROW,
    })  # fmt: skip
OFFERED_EXAMPLE = example(
    "What it shows",
    {
        "success": True, "host_key": "ssh-ed25519 AAAA…", "fingerprint": "SHA256:…", "pinned": [],
        "changed": False, "proposed": "", "problem": "",
    })  # fmt: skip
ORPHAN = {
    "id": 1, "kind": "machine", "identifier": "i-0123456789abcdef0", "name": "churn-prod", "region": "eu-central-1",
    "source": "aws_only", "aws_state": "running", "made_at": "2026-01-30T09:00:00Z",
    "first_seen_at": "2026-01-31T12:00:00Z", "cost_per_day": "0.37", "delete_asked_by": None,
}  # fmt: skip
ORPHANS_EXAMPLE = list_example("orphans", ORPHAN)
ORPHAN_EXAMPLE = example("Asked for", {"success": True, "orphan": ORPHAN}, status="202")
POLICY_EXAMPLE = example("Shortened", {"Version": "2012-10-17", "Statement": []})
SCRIPT_EXAMPLE = OpenApiExample(
    "Shortened", value="#!/bin/sh", response_only=True, status_codes=["200"], media_type="text/x-shellscript"
)
