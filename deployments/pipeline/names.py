"""The names of things outside, known before they exist."""

import hashlib
import json

from deployments.models import Deployment, Environment
from deployments.pipeline.run_configs import effective


def container_name(deployment: Deployment) -> str:
    """One name per deployment, so that doing it twice finds what the first one made."""
    return f"portal-{deployment.application.name}-{deployment.environment.name}-{deployment.short_id}"


def image_name(deployment: Deployment) -> str:
    """By commit and build configuration: the same release is never built twice."""
    application, config = deployment.application, effective(deployment)
    configuration = {
        "dockerfile": config.dockerfile,
        "build_args": build_args(deployment),
        **({"context": config.context} if config.context else {}),
        **({"pre_build": hook} if (hook := config.hooks.get("pre_build")) else {}),
    }
    text = json.dumps(configuration, sort_keys=True)
    digest = hashlib.sha256(text.encode()).hexdigest()[:8]
    # A forced rebuild must not replace the image that an older release stands on.
    forced = f"-{deployment.short_id}" if deployment.options.get("no_cache") else ""
    return f"portal/{application.name}:{deployment.commit[:12]}-{digest}{forced}"


def build_args(deployment: Deployment) -> dict[str, str]:
    """The application's and the repository's, with those of this request on top."""
    return {**effective(deployment).build_args, **deployment.options.get("build_args", {})}


def labels(deployment: Deployment) -> dict[str, str]:
    """What every container and image of ours carries."""
    return {
        **environment_labels(deployment.environment),
        "portal.deployment": str(deployment.uuid),
        "portal.commit": deployment.commit,
    }


def once_labels(deployment: Deployment) -> dict[str, str]:
    """A passing container is ours, but none of those that the watch looks after."""
    return {"portal.managed": "1", "portal.once": str(deployment.uuid)}


def environment_labels(environment: Environment) -> dict[str, str]:
    return {
        "portal.managed": "1",
        "portal.application": environment.application.name,
        "portal.environment": str(environment.uuid),
    }
