"""Short looks at a repository from the portal's own machine: for the deploy form, the API and the first step."""

import secrets
from dataclasses import dataclass

from django.conf import settings

from deployments.inputs import git_urls
from deployments.pipeline.git import scripts
from deployments.pipeline.git.failures import GitFailed, classify
from deployments.pipeline.git.refs import RemoteRefs, parse_ls_remote
from deployments.pipeline.git.remote import Remote, example_repository, remote_for
from instances.hosts.base import Host, HostTimeout
from portal.core.secrets import Secret

# A server that redirects, or knows the repository only with `.git`, is asked once more with it.
WORTH_A_SUFFIX = {"repository_moved", "repository_not_found"}


@dataclass(frozen=True)
class Inspection:
    """What a repository has at one commit: its Dockerfile, or where others of that name lie, and its manifest."""

    found: str
    dockerfile: str = ""
    subject: str = ""
    author: str = ""
    candidates: tuple[str, ...] = ()
    manifest: str = ""
    # It has the manifest's name, and is a link, a folder or a submodule.
    manifest_is_no_file: bool = False


def look(
    host: Host, url: str, *, token: Secret | None = None, deploy_key: Secret | None = None, timeout: float = 8
) -> tuple[Remote, RemoteRefs]:
    """List the branches and tags of a repository now. Raises GitFailed."""
    ensure_example(host, url)
    remote = remote_for(url, token=token, deploy_key=deploy_key)
    try:
        return remote, _list(host, remote, timeout / 2)
    except GitFailed as failure:
        if not can_have_suffix(remote, failure):
            raise
        remote = remote.with_suffix()
        return remote, _list(host, remote, timeout / 2)


def inspect(host: Host, remote: Remote, *, commit: str, dockerfile: str, timeout: float = 6) -> Inspection:
    """Read the Dockerfile at a commit now. Raises GitFailed."""
    out = f"looks/{secrets.token_hex(8)}"
    script = scripts.inspect_script(
        remote, commit=commit, ref="", dockerfile=dockerfile, out=f"{host.root}/{out}", root=host.root
    )
    try:
        _call(host, remote, script, timeout)
        return read_inspection(host, out)
    finally:
        host.remove(out)


def read_inspection(host: Host, out: str) -> Inspection:
    """Read what the inspect script left in its folder."""
    subject, _, author = _read(host, f"{out}/commit").partition("\n")
    return Inspection(
        found=_read(host, f"{out}/found").strip(),
        dockerfile=_read(host, f"{out}/dockerfile"),
        subject=_printable(subject)[:300],
        author=_printable(author)[:200],
        candidates=tuple(_read(host, f"{out}/candidates").splitlines()),
        manifest=_read(host, f"{out}/manifest"),
        manifest_is_no_file=bool(_read(host, f"{out}/manifest_is_no_file")),
    )


def ensure_example(host: Host, url: str) -> str:
    """For one of our examples make its repository; returns the commit, or nothing for any other URL."""
    name = git_urls.example_name(url)
    if name is None:
        return ""
    script = scripts.snapshot_script(
        folder=str(settings.EXAMPLES_DIR / name), target=str(example_repository(name)), name=name
    )
    result = host.call(["sh", "-c", script], timeout=10)
    if not result.ok:
        raise classify(result.err or result.out, result.code, has_credentials=False)
    return result.out.split()[-1]


def can_have_suffix(remote: Remote, failure: GitFailed) -> bool:
    """Is it worth asking once more with `.git` at the end of the URL?"""
    return failure.code in WORTH_A_SUFFIX and remote.protocol != "file" and not remote.url.endswith(".git")


def _list(host: Host, remote: Remote, timeout: float) -> RemoteRefs:
    return parse_ls_remote(_call(host, remote, scripts.list_script(remote, root=host.root), timeout))


def _call(host: Host, remote: Remote, script: str, timeout: float) -> str:
    """Run a script with its files there for just as long."""
    folder = f"files/look-{secrets.token_hex(8)}"
    start = scripts.assign(FILES=f"{host.root}/{folder}" if remote.files else "")
    try:
        for name, content in remote.files.items():
            host.put(f"{folder}/{name}", content, mode=0o600)
        result = host.call(["sh", "-c", start + script], timeout=timeout)
    except HostTimeout:
        raise GitFailed("git_timeout", f"The Git server did not answer within {timeout:g} s.") from None
    finally:
        host.remove(folder)
    if not result.ok:
        raise classify(result.err, result.code, has_credentials=remote.has_credentials)
    return result.out


def _read(host: Host, path: str) -> str:
    content = host.read(path, limit=scripts.DOCKERFILE_LIMIT)
    return (content or b"").decode(errors="replace")


def _printable(text: str) -> str:
    return "".join(character for character in text if character.isprintable()).strip()
