"""What the repository says of a start: its commit, and how it wants to be run."""

import time
from dataclasses import dataclass, field

from django.conf import settings

from deployments import manifest, preflight
from deployments.models import Deployment
from deployments.pipeline import dockerfile as dockerfiles
from deployments.pipeline import git, run_configs
from deployments.pipeline.failures import explain
from deployments.pipeline.run_configs import RunConfig
from deployments.pipeline.steps.source import DEFAULT_PORT
from deployments.planning.shapes import Finding
from instances.hosts.base import Host, HostError
from instances.hosts.local import LocalHost

SECONDS = 9.0
LOOK_SECONDS = 5.0


@dataclass
class Source:
    """What was found, as far as it could be looked."""

    config: RunConfig
    ref: str = ""
    commit: str = ""
    subject: str = ""
    port: int = DEFAULT_PORT
    port_source: str = "default"
    blockers: list[Finding] = field(default_factory=list)

    def refuse(self, code: str, message: str) -> "Source":
        self.blockers.append(Finding(code, message, explain(code).fix))
        return self


def look(deployment: Deployment) -> Source:
    """Look at the repository from the portal's own machine, within seconds."""
    application = deployment.application
    found = Source(config=run_configs.work_out(application, manifest.Manifest()))
    if deployment.options.get("image"):
        return _with_port(found, None)
    found.ref = deployment.ref or deployment.environment.branch or application.default_branch
    host = LocalHost(settings.DATA_DIR / "host")
    try:
        return _look(host, deployment, found, until=time.monotonic() + SECONDS)
    except git.GitFailed as failure:
        return found.refuse(failure.code, f"{explain(failure.code).sentence} {failure.detail}".strip())
    except HostError as error:
        return found.refuse("git_timeout", str(error))


def _look(host: Host, deployment: Deployment, found: Source, *, until: float) -> Source:
    application = deployment.application
    remote, refs = git.look(
        host, application.git_url, token=application.git_token, deploy_key=application.deploy_key,
        timeout=LOOK_SECONDS,
    )  # fmt: skip
    commit = refs.find(found.ref)
    if commit is None:
        if refs.is_empty:
            return found.refuse("repository_empty", "It has no commits yet.")
        return found.refuse(
            "branch_not_found", f"There is no branch, tag or commit {found.ref or '(default)'}."
        )
    found.commit, found.ref = commit, found.ref or refs.default_branch
    inspection, path = preflight.inspect(
        host, remote, commit=commit, dockerfile=application.dockerfile, until=until
    )
    found.subject = inspection.subject
    return _read(_with_manifest(deployment, inspection, found), inspection, path)


def _with_manifest(deployment: Deployment, inspection: git.Inspection, found: Source) -> Source:
    """Put the repository's manifest under the application's settings."""
    if inspection.manifest_is_no_file:
        return found.refuse("manifest_invalid", f"{manifest.NAME} is a link or a folder, not a file.")
    try:
        read = manifest.parse(inspection.manifest)
    except manifest.ManifestError as error:
        return found.refuse("manifest_invalid", str(error))
    found.config = run_configs.work_out(deployment.application, read)
    return found


def _read(found: Source, inspection: git.Inspection, path: str) -> Source:
    if inspection.found != "file":
        others = f" Found instead: {', '.join(inspection.candidates)}." if inspection.candidates else ""
        return found.refuse("dockerfile_missing", f"There is no file {path} at this commit.{others}")
    try:
        exposed = dockerfiles.read(inspection.dockerfile).exposed_ports
    except dockerfiles.DockerfileError as error:
        return found.refuse("dockerfile_invalid", f"{path}, {error}")
    return _with_port(found, next(iter(exposed), None))


def _with_port(found: Source, exposed: int | None) -> Source:
    if found.config.container_port:
        found.port = found.config.container_port
        found.port_source = found.config.sources["container_port"]
    elif exposed:
        found.port, found.port_source = exposed, "repo"
    return found
