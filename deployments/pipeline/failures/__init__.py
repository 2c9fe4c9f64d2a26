"""Every way in which a deployment fails: one title, one sentence on what it means, one on what to do."""

from deployments.pipeline.failures import aws, build, machine, portal, run, source
from deployments.pipeline.failures.base import Explanation

__all__ = ["CATALOGUE", "UNKNOWN", "Explanation", "explain"]

CATALOGUE: dict[str, Explanation] = {
    **source.FAILURES,
    **aws.FAILURES,
    **machine.FAILURES,
    **build.FAILURES,
    **run.FAILURES,
    **portal.FAILURES,
}

UNKNOWN = Explanation("It failed", "The log says what happened.", "Read the log of the failed step.")


def explain(code: str) -> Explanation:
    """The words for a failure code."""
    return CATALOGUE.get(code, UNKNOWN)
