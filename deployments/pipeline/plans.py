"""Which steps a deployment takes, in order, per kind of instance; nowhere else."""

from collections.abc import Sequence

from deployments.models import Deployment
from deployments.pipeline.progress import StepSpec, skip
from deployments.pipeline.steps import container, machine, packages, source, traffic
from instances.states import Kind as Place

NOT_HERE = "Not needed on this machine."

LOCAL: tuple[StepSpec, ...] = (
    source.validate,
    source.check_dockerfile,
    skip("security_group", "Configure security group", NOT_HERE),
    skip("instance", "Provision instance", NOT_HERE),
    skip("ssh", "Wait for SSH", NOT_HERE),
    packages.find_engine,
    skip("nginx", "Install NGINX", "This machine uses the proxy that comes with the portal."),
    source.clone,
    container.build,
    container.run,
    traffic.switch,
    traffic.verify,
)

ON_A_MACHINE: tuple[StepSpec, ...] = (
    machine.wait_for_ssh,
    packages.install_docker,
    packages.install_nginx,
    source.clone,
    container.build,
    container.run,
    traffic.switch,
    traffic.verify,
)

SERVER: tuple[StepSpec, ...] = (
    source.validate,
    source.check_dockerfile,
    skip("security_group", "Configure security group", "A server's firewall is its owner's."),
    skip("instance", "Provision instance", "The server is there already."),
    *ON_A_MACHINE,
)

EC2: tuple[StepSpec, ...] = (
    source.validate,
    source.check_dockerfile,
    machine.security_group,
    machine.instance,
    *ON_A_MACHINE,
)

PLANS: dict[str, tuple[StepSpec, ...]] = {Place.LOCAL: LOCAL, Place.SERVER: SERVER, Place.EC2: EC2}

# What a release that is there already, or an image made elsewhere, has behind it.
SOURCE_STEPS = {"validate", "dockerfile", "clone"}


def plan_for(deployment: Deployment) -> Sequence[StepSpec]:
    """The steps of this deployment: the plan of its place, less what its release has behind it."""
    steps = PLANS[deployment.instance.kind]
    if deployment.options.get("image"):
        return _without(steps, SOURCE_STEPS, "The image was made elsewhere.")
    if deployment.kind in ("rollback", "redeploy"):
        return _without(
            steps, {*SOURCE_STEPS, "build"}, f"Release {deployment.release} is kept on the machine."
        )
    return steps


def spec_of(deployment: Deployment, key: str) -> StepSpec:
    """One step of the deployment's plan."""
    return next(spec for spec in plan_for(deployment) if spec.key == key)


def has_undo(key: str) -> bool:
    """Whether a step of this key can be taken back."""
    return any(spec.undo is not None for plan in PLANS.values() for spec in plan if spec.key == key)


def _without(steps: Sequence[StepSpec], keys: set[str], reason: str) -> Sequence[StepSpec]:
    return [skip(spec.key, spec.title, reason) if spec.key in keys else spec for spec in steps]
