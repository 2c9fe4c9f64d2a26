"""What goes wrong in the portal itself."""

from deployments.pipeline.failures.base import Explanation

FAILURES: dict[str, Explanation] = {
    "step_timeout": Explanation(
        "The step took too long",
        "It did not end within its time and was stopped.",
        "Read the log for what it waited for, then retry.",
    ),
    "deployment_timeout": Explanation(
        "The deployment took too long",
        "It did not end within the time set for a whole deployment (MAX_DEPLOYMENT_TIME).",
        "Read the log for the slow step, then retry.",
    ),
    "worker_died": Explanation(
        "The worker died three times here",
        "Each time this step was carried out the worker process ended, so it is not tried again.",
        "Look at the portal's own log for the cause (often memory), then retry.",
    ),
    "internal_error": Explanation(
        "The portal made a mistake",
        "Something unexpected happened in the portal itself; nothing was switched.",
        "Retry. If it happens again, send the deployment's id to the portal's administrators.",
    ),
}
