"""The repository: which commit it is, whether it has a Dockerfile, and its files on the host."""

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.core.exceptions import ValidationError

from deployments import inputs, manifest, plan_hashes
from deployments.pipeline import dockerfile as dockerfiles
from deployments.pipeline import git, run_configs
from deployments.pipeline.context import Context
from deployments.pipeline.progress import Done, Progress, StepFailed, Wait, step

DEFAULT_PORT = 8000
# How much of a finished job is read again to find out what git said.
OUTPUT_TAIL = 8000
NAMES_SHOWN = 8
KEPT_BY_RETRY = ("default_branch", "git_suffix")
READ_FROM_DOCKERFILE = (
    "manifest", "dockerfile", "dockerfile_digest", "exposed_port", "base_images", "commit_subject", "commit_author",
)  # fmt: skip


@step("validate", "Validate Git URL", timeout=60, at_desk=True)
def validate(ctx: Context) -> Progress:
    """Find the commit, once: from here on the deployment means this commit whatever is pushed."""
    _check_url(ctx)
    if ctx.deployment.commit:
        return _keep_commit(ctx)
    with _git_errors():
        git.ensure_example(ctx.host, ctx.application.git_url)
    ref = _wanted_ref(ctx)
    remote = _remote(ctx)
    job, progress = _resolve(ctx, remote, "" if inputs.is_commit(ref) else ref)
    if isinstance(progress, Wait):
        return progress
    refs = git.parse_ls_remote(ctx.job_output(job))
    commit = refs.find(ref)
    if commit is None:
        return _say_what_there_is(ctx, ref, refs)
    planned = ctx.deployment.options.get("plan_hash", "")
    if planned and not plan_hashes.has_commit(planned, commit):
        raise StepFailed("plan_changed", f"{ref or 'The branch'} is at {commit[:7]} now.")
    name = ref or refs.default_branch
    ctx.claim.update(commit=commit, ref=name)
    ctx.deployment.commit, ctx.deployment.ref = commit, name
    ctx.remember(commit=commit, ref=name, default_branch=refs.default_branch)
    return Done(f"{name or 'HEAD'} is at {commit[:7]}.")


@step("dockerfile", "Check Dockerfile", timeout=120, at_desk=True)
def check_dockerfile(ctx: Context) -> Progress:
    """Read the Dockerfile and the manifest at the commit before anything is made for it."""
    if _is_read(ctx):
        return _checked(ctx)
    path = ctx.facts.get("dockerfile_path", ctx.application.dockerfile)
    out = f"looks/{ctx.deployment.uuid.hex}"
    remote = _remote(ctx)
    script = git.inspect_script(
        remote, commit=ctx.deployment.commit, ref=_name(ctx), dockerfile=path,
        out=f"{ctx.host.root}/{out}", root=ctx.host.root,
    )  # fmt: skip
    job = "dockerfile" if path == ctx.application.dockerfile else "dockerfile-named"
    progress = _git_job(ctx, job, script, remote)
    if isinstance(progress, Wait):
        return progress
    inspection = git.read_inspection(ctx.host, out)
    if inspection.manifest_is_no_file:
        raise StepFailed("manifest_invalid", f"{manifest.NAME} is a link or a folder, not a file.")
    config = run_configs.work_out(ctx.application, _read_manifest(inspection.manifest))
    if config.dockerfile != path:
        # The repository itself names another one.
        ctx.remember(dockerfile_path=config.dockerfile)
        return Wait(0)
    facts = _read_dockerfile(path, config, _text_of(ctx, path, inspection))
    ctx.claim.update(commit_subject=inspection.subject)
    ctx.deployment.commit_subject = inspection.subject
    ctx.remember(
        commit_subject=inspection.subject, commit_author=inspection.author, manifest=inspection.manifest,
        config=config.as_facts(), **facts,
    )  # fmt: skip
    ctx.host.remove(out)
    return _checked(ctx)


@step("clone", "Clone repository", timeout=300)
def clone(ctx: Context) -> Progress:
    """Put the files of the commit on the host; an untouched checkout of an earlier deployment is used again."""
    commit = ctx.deployment.commit
    checkout = f"checkouts/{ctx.application.uuid.hex}/{commit}"
    target = f"{ctx.host.root}/{checkout}"
    if ctx.deployment.origin and not ctx.has_job("clone") and _is_clean(ctx, target):
        ctx.remember(checkout=checkout)
        return Done(f"The files of {commit[:7]} are there from an earlier deployment.")
    remote = _remote(ctx)
    script = git.checkout_script(remote, commit=commit, ref=_name(ctx), target=target, root=ctx.host.root)
    progress = _git_job(ctx, "clone", script, remote)
    if isinstance(progress, Wait):
        return progress
    ctx.remember(checkout=checkout)
    return Done(f"Checked out {commit[:7]}.")


def _check_url(ctx: Context) -> None:
    """The list of allowed servers may have become shorter since the application was made."""
    try:
        inputs.check_git_url(ctx.application.git_url)
    except ValidationError as error:
        raise StepFailed("git_host_refused", " ".join(error.messages)) from None


def _keep_commit(ctx: Context) -> Progress:
    """A retry means the very commit of the attempt before; what that one found out still holds."""
    before = ctx.deployment.origin.facts if ctx.deployment.origin else {}
    commit = ctx.deployment.commit
    kept = {key: before[key] for key in KEPT_BY_RETRY if key in before}
    ctx.remember(commit=commit, ref=ctx.deployment.ref, **kept)
    return Done(f"The commit stays {commit[:7]}, as at the first attempt.")


def _wanted_ref(ctx: Context) -> str:
    """What was asked for, else the environment's branch, else the application's; empty: the repository's own."""
    return ctx.deployment.ref or ctx.environment.branch or ctx.application.default_branch


def _name(ctx: Context) -> str:
    """The branch or tag that the commit was found under, where there is one."""
    ref = ctx.deployment.ref
    return "" if inputs.is_commit(ref) else ref


def _remote(ctx: Context) -> git.Remote:
    application = ctx.application
    with _git_errors():
        return git.remote_for(
            application.git_url, token=application.git_token, deploy_key=application.deploy_key,
            suffix=bool(ctx.facts.get("git_suffix")),
        )  # fmt: skip


def _resolve(ctx: Context, remote: git.Remote, ref: str) -> tuple[str, Progress]:
    """Ask for the ref; a second time with `.git` where the first answer suggests it. Says which job answered."""
    if not ctx.facts.get("git_suffix"):
        try:
            return "resolve", _git_job(
                ctx, "resolve", git.resolve_script(remote, ref, root=ctx.host.root), remote
            )
        except StepFailed as failure:
            if not git.can_have_suffix(remote, git.GitFailed(failure.code)):
                raise
            ctx.say("Asking again with .git at the end of the URL.")
            ctx.remember(git_suffix=True)
    script = git.resolve_script(remote.with_suffix(), ref, root=ctx.host.root)
    return "resolve-git", _git_job(ctx, "resolve-git", script, remote)


def _say_what_there_is(ctx: Context, ref: str, refs: git.RemoteRefs) -> Progress:
    """The ref is not there: list the branches, so that the message can name them."""
    if not ref and refs.is_empty:
        raise StepFailed("repository_empty", "It has no commits yet.")
    remote = _remote(ctx)
    progress = _git_job(ctx, "branches", git.list_script(remote, root=ctx.host.root), remote)
    if isinstance(progress, Wait):
        return progress
    names = list(git.parse_ls_remote(ctx.job_output("branches")).branches)
    if not names:
        raise StepFailed("repository_empty", "It has no branches yet.")
    raise StepFailed("branch_not_found", f"There is no {ref or 'default branch'}. {_listed(names)}")


def _git_job(ctx: Context, name: str, script: str, remote: git.Remote) -> Progress:
    """Run a script with its secrets; when it fails, say what git's words mean."""
    try:
        return ctx.job(name, script, files=remote.files, code="git_failed")
    except StepFailed as failure:
        if failure.code != "git_failed":
            raise
        said = ctx.job_output(name, last=OUTPUT_TAIL)
        found = git.classify(
            said, failure.evidence.get("exit_code", 1), has_credentials=remote.has_credentials
        )
        raise StepFailed(found.code, found.detail, **failure.evidence) from None


def _read_manifest(text: str) -> manifest.Manifest:
    try:
        return manifest.parse(text)
    except manifest.ManifestError as error:
        raise StepFailed("manifest_invalid", str(error)) from None


def _checked(ctx: Context) -> Progress:
    """Done, unless a variable is missing without which the application cannot work."""
    given = ctx.environment.variables.values_list("key", flat=True)
    missing = run_configs.effective(ctx.deployment).missing(set(given))
    if missing:
        raise StepFailed("variable_missing", f"{manifest.NAME} requires {', '.join(missing)}.")
    return Done(_what_was_read(ctx))


def _text_of(ctx: Context, path: str, inspection: git.Inspection) -> str:
    """The Dockerfile's text, or why there is none."""
    if inspection.found == "file":
        return inspection.dockerfile
    if not inspection.found:
        raise StepFailed("job_lost", "What was read from the repository is gone.")
    kinds = {"link": f"{path} is a symbolic link", "other": f"{path} is a folder or submodule, not a file"}
    what = kinds.get(inspection.found, f"There is no {path} at {ctx.deployment.commit[:7]}")
    hint = f" Found instead: {', '.join(inspection.candidates)}." if inspection.candidates else ""
    raise StepFailed("dockerfile_missing", f"{what}.{hint}")


def _read_dockerfile(path: str, config: run_configs.RunConfig, text: str) -> dict[str, Any]:
    try:
        read = dockerfiles.read(text)
        exposed = read.exposed_ports
    except dockerfiles.DockerfileError as error:
        raise StepFailed("dockerfile_invalid", f"{path}, {error}") from None
    port = next(iter(exposed), DEFAULT_PORT)
    return {
        "dockerfile": path,
        "dockerfile_digest": hashlib.sha256(text.encode()).hexdigest(),
        "exposed_port": port,
        "base_images": [s.base for s in read.needed_stages() if s.parent is None and check_base(s.base)],
        "container_port": config.container_port or port,
    }


def check_base(image: str) -> bool:
    """Whether it is an image that can be pulled ahead of the build."""
    try:
        inputs.check_image(image)
    except ValidationError:
        return False
    return image != "scratch"


def _is_read(ctx: Context) -> bool:
    """Was this path read at this commit, by a worker before us or by the attempt that this one repeats?"""
    if "config" in ctx.facts:
        return True
    before = ctx.deployment.origin.facts if ctx.deployment.origin else {}
    if before.get("commit") != ctx.deployment.commit or "manifest" not in before:
        return False
    # The settings may have changed since; the file of this commit has not.
    config = run_configs.work_out(ctx.application, _read_manifest(before["manifest"]))
    if before.get("dockerfile") != config.dockerfile:
        return False
    kept = {key: before[key] for key in READ_FROM_DOCKERFILE if key in before}
    port = config.container_port or kept["exposed_port"]
    ctx.remember(container_port=port, config=config.as_facts(), **kept)
    return True


def _what_was_read(ctx: Context) -> str:
    also = f" and {manifest.NAME}" if ctx.facts["manifest"] else ""
    are = "are" if also else "is"
    return (
        f"{ctx.facts['dockerfile']}{also} {are} there; the container port is {ctx.facts['container_port']}."
    )


def _is_clean(ctx: Context, target: str) -> bool:
    script = git.is_clean_script(commit=ctx.deployment.commit, target=target, root=ctx.host.root)
    return ctx.call(["sh", "-c", script], timeout=20).ok


def _listed(names: list[str]) -> str:
    more = f" and {len(names) - NAMES_SHOWN} more" if len(names) > NAMES_SHOWN else ""
    return f"The branches are {', '.join(names[:NAMES_SHOWN])}{more}."


@contextmanager
def _git_errors() -> Iterator[None]:
    """What git refuses outside a job is a failure of the step."""
    try:
        yield
    except git.GitFailed as failure:
        raise StepFailed(failure.code, failure.detail) from None
