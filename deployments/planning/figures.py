"""What a deployment will cost more per month, and how long it will probably take."""

import statistics
from decimal import Decimal

from deployments.models import Deployment
from deployments.planning.rehearsal import Rehearsal
from deployments.planning.shapes import Cost, Duration
from deployments.states import Kind, Status
from instances import costs
from instances.clouds import prices
from instances.states import Kind as Place

RUNS = 10


def cost(rehearsal: Rehearsal) -> Cost:
    """Only a machine that is yet to be made costs anything that is not paid already."""
    instance = rehearsal.instance
    if instance.kind != Place.EC2:
        return Cost(Decimal(0), Decimal(0), prices.PRICES_OF, "No machine is made for it.")
    if instance.aws_id:
        return Cost(Decimal(0), Decimal(0), prices.PRICES_OF, f"{instance.name} is paid for already.")
    price = costs.price(instance)
    if price is None:
        note = f"The table of prices does not know {instance.instance_type} in {instance.region}."
        return Cost(None, None, prices.PRICES_OF, note)
    note = f"{instance.instance_type} with {instance.volume_gb} GB and a public address, without traffic."
    return Cost(round(price.month, 2), round(price.hour, 4), prices.PRICES_OF, note)


def duration(rehearsal: Rehearsal) -> Duration:
    """The median of the last ones that went live there, else on the same kind of instance."""
    done = Deployment.objects.filter(
        status=Status.SUCCEEDED, kind__in=(Kind.DEPLOY, Kind.RETRY), started_at__isnull=False
    ).order_by("-id")
    here = done.filter(environment__uuid=rehearsal.environment.uuid)
    alike = done.filter(instance__kind=rehearsal.instance.kind)
    for of, rows in (("environment", here), ("instance_kind", alike)):
        moments = list(rows.values_list("started_at", "finished_at")[:RUNS])
        seconds = [(end - start).total_seconds() for start, end in moments if start and end]
        if seconds:
            return Duration(round(statistics.median(seconds), 1), len(seconds), of)
    return Duration(None)
