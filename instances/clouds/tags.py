"""The marks that everything carries which the portal makes in a cloud."""

from collections.abc import Mapping

from django.conf import settings

from instances.clouds.base import INSTALLATION_TAG, INSTANCE_TAG, Tags

MANAGED_TAG = "ManagedBy"
LABELS = ("application", "environment", "deployment", "owner")
# AWS takes no longer values.
VALUE_LENGTH = 256


def tags_for(name: str, *, instance: str = "", labels: Mapping[str, str] | None = None) -> dict[str, str]:
    """The tags of one thing: its name, whose it is, and what it is for as far as that is known."""
    tags = {"Name": name, MANAGED_TAG: "portal", INSTALLATION_TAG: settings.INSTALLATION}
    if instance:
        tags[INSTANCE_TAG] = instance
    for label in LABELS:
        value = (labels or {}).get(label, "")
        if value:
            tags[f"portal:{label}"] = value[:VALUE_LENGTH]
    return tags


def is_ours(tags: Tags) -> bool:
    """Whether this installation made it; nothing else is ever touched."""
    return tags.get(INSTALLATION_TAG) == settings.INSTALLATION
