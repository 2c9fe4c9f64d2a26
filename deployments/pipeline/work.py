"""One worker's hold on one deployment: the claim, and the host, runtimes and proxy it works with."""

import logging
from collections.abc import Iterator
from dataclasses import dataclass

from deployments.models import Deployment, Step
from deployments.pipeline import git, places, plans
from deployments.pipeline.claims import Claim
from deployments.pipeline.context import Context
from deployments.snapshots import parse_variables
from instances.hosts.base import HostError
from portal.core.redact import Redactor

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Work:
    """What one claim works with, shared by its slices."""

    claim: Claim
    deployment: Deployment
    redact: Redactor

    def context(self, step: Step) -> Context:
        """What this step sees. Looked up each time: a step before it may have made the machine."""
        place = places.place_of(self.deployment.instance)
        host = places.desk().host if plans.spec_of(self.deployment, step.key).at_desk else place.host
        return Context(
            claim=self.claim,
            deployment=self.deployment,
            step=step,
            host=host,
            redact=self.redact,
            proxy=place.proxy,
            runtimes=place.runtimes,
        )

    def forget_jobs(self) -> None:
        """Remove what the host keeps of ended jobs: their raw output is not masked, and the log has it."""
        for step in Step.objects.filter(deployment=self.deployment):
            for name in step.data.get("jobs", {}):
                ctx = self.context(step)
                try:
                    ctx.host.forget_job(ctx.job_id(name))
                except HostError as error:
                    logger.warning("%s: %s", self.deployment, error)


def open_work(claim: Claim, deployment: Deployment) -> Work:
    """Get hold of everything that the deployment's place offers."""
    return Work(claim=claim, deployment=deployment, redact=Redactor(_secret_values(deployment)))


def _secret_values(deployment: Deployment) -> Iterator[str]:
    """Everything that must never be seen in this deployment's log."""
    yield from git.secrets_of(deployment.application)
    yield deployment.environment.basic_auth.reveal().partition(":")[2]
    for variable in deployment.environment.variables.filter(secret=True):
        yield variable.value.reveal()
    if deployment.release is not None:
        public = set(deployment.environment.variables.filter(secret=False).values_list("key", flat=True))
        kept = parse_variables(deployment.release)
        yield from (value for key, value in kept.items() if key not in public)
