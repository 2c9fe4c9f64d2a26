"""One worker's hold on one deployment: the claim, and the host, runtimes and proxy it works with."""

import logging
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from deployments.models import Deployment, Step
from deployments.pipeline import git, places
from deployments.pipeline.claims import Claim
from deployments.pipeline.context import Context
from deployments.pipeline.proxies.base import Proxy
from deployments.pipeline.runtimes.base import Runtime
from deployments.snapshots import parse_variables
from instances.hosts.base import Host, HostError
from portal.core.redact import Redactor

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Work:
    """What one claim works with, made once and shared by its slices."""

    claim: Claim
    deployment: Deployment
    host: Host
    runtimes: Mapping[str, Runtime]
    proxy: Proxy
    redact: Redactor

    def context(self, step: Step) -> Context:
        return Context(
            claim=self.claim,
            deployment=self.deployment,
            step=step,
            host=self.host,
            redact=self.redact,
            proxy=self.proxy,
            runtimes=self.runtimes,
        )

    def forget_jobs(self) -> None:
        """Remove what the host keeps of ended jobs: their raw output is not masked, and the log has it."""
        for step in Step.objects.filter(deployment=self.deployment):
            for name in step.data.get("jobs", {}):
                try:
                    self.host.forget_job(self.context(step).job_id(name))
                except HostError as error:
                    logger.warning("%s: %s", self.deployment, error)


def open_work(claim: Claim, deployment: Deployment) -> Work:
    """Get hold of everything that the deployment's place offers."""
    place = places.place_of(deployment.instance)
    return Work(
        claim=claim,
        deployment=deployment,
        host=place.host,
        runtimes=place.runtimes,
        proxy=place.proxy,
        redact=Redactor(_secret_values(deployment)),
    )


def _secret_values(deployment: Deployment) -> Iterator[str]:
    """Everything that must never be seen in this deployment's log."""
    yield from git.secrets_of(deployment.application)
    for variable in deployment.environment.variables.filter(secret=True):
        yield variable.value.reveal()
    if deployment.release is not None:
        public = set(deployment.environment.variables.filter(secret=False).values_list("key", flat=True))
        kept = parse_variables(deployment.release)
        yield from (value for key, value in kept.items() if key not in public)
