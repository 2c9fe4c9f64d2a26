"""Looks at a repository before anything is deployed: is it there, which branches, a Dockerfile, which port."""

import time
from collections.abc import Sequence
from dataclasses import dataclass

from django.conf import settings
from django.core.exceptions import ValidationError

from deployments import inputs, manifest
from deployments.pipeline import dockerfile as dockerfiles
from deployments.pipeline import git
from deployments.pipeline.failures import explain
from deployments.pipeline.run_configs import DEFAULTS
from instances.hosts.base import Host, HostError
from instances.hosts.local import LocalHost
from portal.core.secrets import Secret

TOTAL_SECONDS = 9.0
LOOK_SECONDS = 5.0
DEFAULT_PORT = 8000
BRANCHES_SHOWN = 200


@dataclass(frozen=True)
class Check:
    """One thing that was looked at: what was found, and what to do when it is not well."""

    name: str
    ok: bool
    message: str
    fix: str = ""
    # What was found, for a form to offer: branches with the default one first, paths, ports.
    values: tuple[str, ...] = ()


def check_repository(
    url: str,
    *,
    branch: str = "",
    dockerfile: str = "Dockerfile",
    token: Secret | None = None,
    deploy_key: Secret | None = None,
    host: Host | None = None,
) -> list[Check]:
    """Look within ten seconds; checks that depend on one that failed are left out."""
    refused = _check_fields(url, branch, dockerfile)
    if refused:
        return refused
    until = time.monotonic() + TOTAL_SECONDS
    place = host or LocalHost(settings.DATA_DIR / "host")
    try:
        remote, refs = git.look(place, url, token=token, deploy_key=deploy_key, timeout=LOOK_SECONDS)
    except (git.GitFailed, HostError) as failure:
        return [_failed("repository", failure)]
    checks = [_repository(refs), _branch(refs, branch)]
    commit = refs.find(branch)
    if commit is None:
        return checks
    try:
        inspection, path = inspect(place, remote, commit=commit, dockerfile=dockerfile, until=until)
    except (git.GitFailed, HostError) as failure:
        return [*checks, _failed("dockerfile", failure)]
    return [*checks, *_manifest(inspection), *_dockerfile(inspection, path)]


def inspect(
    host: Host, remote: git.Remote, *, commit: str, dockerfile: str, until: float
) -> tuple[git.Inspection, str]:
    """Read the Dockerfile that counts, and say its path: the manifest may name another than the usual one."""
    path = dockerfile
    inspection = git.inspect(host, remote, commit=commit, dockerfile=path, timeout=_left(until))
    if path == DEFAULTS["dockerfile"] and (named := _named_dockerfile(inspection)) not in ("", path):
        path = named
        inspection = git.inspect(host, remote, commit=commit, dockerfile=path, timeout=_left(until))
    return inspection, path


def _left(until: float) -> float:
    return max(1.0, until - time.monotonic())


def _named_dockerfile(inspection: git.Inspection) -> str:
    try:
        return str(manifest.parse(inspection.manifest).settings.get("dockerfile", ""))
    except manifest.ManifestError:
        return ""


def _check_fields(url: str, branch: str, dockerfile: str) -> list[Check]:
    fields = [
        ("repository", inputs.check_git_url, url),
        ("dockerfile", inputs.check_dockerfile_path, dockerfile),
    ]
    if branch:
        fields.append(("branch", inputs.check_branch, branch))
    refused = []
    for name, check, value in fields:
        try:
            check(value)
        except ValidationError as error:
            refused.append(Check(name, False, " ".join(error.messages)))
    return refused


def _repository(refs: git.RemoteRefs) -> Check:
    if refs.is_empty:
        explanation = explain("repository_empty")
        return Check("repository", False, explanation.sentence, explanation.fix)
    return Check("repository", True, f"The repository answers; it has {_counted(refs)}.")


def _branch(refs: git.RemoteRefs, branch: str) -> Check:
    names = _ordered(refs)
    commit = refs.find(branch)
    if commit is None:
        named = (
            f"There is no branch, tag or commit {branch}."
            if branch
            else "The repository has no default branch."
        )
        return Check(
            "branch", False, named, f"Choose one of: {', '.join(names[:8])}." if names else "", names
        )
    what = branch or f"The default branch {refs.default_branch}".strip()
    return Check("branch", True, f"{what} is at {commit[:7]}.", values=names)


def _manifest(inspection: git.Inspection) -> list[Check]:
    if inspection.manifest_is_no_file:
        return [Check("manifest", False, f"{manifest.NAME} is a link or a folder.", "Make it a file.")]
    if not inspection.manifest:
        return []
    try:
        read = manifest.parse(inspection.manifest)
    except manifest.ManifestError as error:
        return [Check("manifest", False, str(error), explain("manifest_invalid").fix)]
    needed = f" It requires {', '.join(read.required)}." if read.required else ""
    return [Check("manifest", True, f"{manifest.NAME} is there.{needed}", values=read.required)]


def _dockerfile(inspection: git.Inspection, path: str) -> Sequence[Check]:
    if inspection.found != "file":
        others = inspection.candidates
        fix = f"Found instead: {', '.join(others)}." if others else explain("dockerfile_missing").fix
        return [Check("dockerfile", False, f"There is no file {path} at this commit.", fix, others)]
    try:
        exposed = dockerfiles.read(inspection.dockerfile).exposed_ports
    except dockerfiles.DockerfileError as error:
        return [Check("dockerfile", False, f"{path}, {error}", explain("dockerfile_invalid").fix)]
    ports = tuple(str(port) for port in exposed)
    found = f"It exposes port {ports[0]}." if ports else f"It exposes no port; {DEFAULT_PORT} is used."
    return [
        Check("dockerfile", True, f"{path} is there.", values=(path,)),
        Check("port", True, found, values=ports or (str(DEFAULT_PORT),)),
    ]


def _failed(name: str, failure: git.GitFailed | HostError) -> Check:
    code = failure.code if isinstance(failure, git.GitFailed) else "git_timeout"
    detail = failure.detail if isinstance(failure, git.GitFailed) else ""
    explanation = explain(code)
    return Check(name, False, f"{explanation.sentence} {detail}".strip(), explanation.fix)


def _ordered(refs: git.RemoteRefs) -> tuple[str, ...]:
    """The branches, the default one first."""
    first = [refs.default_branch] if refs.default_branch in refs.branches else []
    others = sorted(name for name in refs.branches if name not in first)
    return tuple([*first, *others][:BRANCHES_SHOWN])


def _counted(refs: git.RemoteRefs) -> str:
    branches, tags = len(refs.branches), len(refs.tags)
    return f"{branches} branch{'' if branches == 1 else 'es'} and {tags} tag{'' if tags == 1 else 's'}"
