"""Whether AWS lets us do what machines need; asked only where AWS is used."""

import os

from django.conf import settings

from instances.clouds.of import machines_in
from instances.models import Instance
from instances.states import Kind, Status
from portal.checks.base import Broken, question

# Where one of these is set, somebody means to use AWS.
MARKS = ("AWS_ACCESS_KEY_ID", "AWS_PROFILE", "AWS_ROLE_ARN", "AWS_ENDPOINT_URL")


@question("aws", code=30, needs=("database", "migrations"))
def aws() -> str:
    """Credentials, region and permissions, each missing one named."""
    regions = _regions()
    if not regions:
        return "It is not used: there are no credentials and no machines."
    wrong = [
        f"{region}: {check.name}: {check.message}"
        for region in regions
        for check in machines_in(region).validate()
        if not check.ok
    ]
    if wrong:
        raise Broken(
            " ".join(wrong),
            "Give the portal's user at AWS the policy of /instances/policy.json, or mend the credentials.",
        )
    return f"Credentials and permissions are right in {', '.join(regions)}."


def _regions() -> list[str]:
    """The regions in which we have machines, and that of the settings where AWS is set up."""
    rows = Instance.objects.filter(kind=Kind.EC2).exclude(status=Status.TERMINATED).exclude(region="")
    used = set(rows.values_list("region", flat=True))
    if any(os.environ.get(name) for name in MARKS):
        used.add(settings.AWS_REGION)
    return sorted(used)


CLOUDS = [aws]
