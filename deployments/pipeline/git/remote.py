"""A repository as git is told of it: the URL to fetch from, and the secrets that go to the host as files."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from django.conf import settings

from deployments.inputs import allowed_hosts, git_urls
from deployments.models import Application
from deployments.pipeline.git.failures import GitFailed
from portal.core import addresses
from portal.core.secrets import Secret

# Published by each of them; the SHA-256 of each key is the fingerprint in their documentation.
PINNED_HOST_KEYS = {
    "github.com": "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl",
    "gitlab.com": "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAfuCHKVTjquxvt6CM6tdG4SLp1Btn/nOeHHE5UOzRdf",
    "bitbucket.org": "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIIazEu89wgQZ4bqs3d63QSMzYVa0MuJ2e2gKTKqu+UUO",
}
# The user name that goes with an access token. Other servers look at the token only.
TOKEN_USERS = {"github.com": "x-access-token", "gitlab.com": "oauth2", "bitbucket.org": "x-token-auth"}
OTHER_TOKEN_USER = "oauth2"  # noqa: S105

# git asks for the user name and the password, each time naming the server: only ours gets an answer.
ASKPASS = b"""#!/bin/sh
case "$1" in
  "Username for '$GIT_ORIGIN'"*) cat "$FILES/git_user" ;;
  "Password for '${GIT_ORIGIN%%://*}://"*"@${GIT_ORIGIN#*://}'"*) cat "$FILES/git_token" ;;
  *) exit 1 ;;
esac
"""


@dataclass(frozen=True)
class Remote:
    """Where git fetches from, with which protocol, and what it needs in files."""

    url: str
    protocol: str
    origin: str
    # Written to the host readable by its owner only, and removed by the script that uses them.
    files: Mapping[str, bytes] = field(default_factory=dict, repr=False)
    # `host:port:address` when the name was resolved and checked here, so that it cannot change in between.
    pinned_address: str = ""
    has_key: bool = False
    knows_host: bool = False

    @property
    def has_credentials(self) -> bool:
        return self.has_key or "git_token" in self.files

    def with_suffix(self) -> "Remote":
        """The same with `.git` at the end, where some servers would redirect to."""
        return replace(self, url=f"{self.url.removesuffix('.git')}.git")


def remote_for(
    url: str, *, token: Secret | None = None, deploy_key: Secret | None = None, suffix: bool = False
) -> Remote:
    """Choose how to reach a repository: a deploy key needs ssh, everything else goes by https where it can."""
    name = git_urls.example_name(url)
    if name is not None:
        return Remote(url=f"file://{example_repository(name)}", protocol="file", origin="file://")
    parsed = _choose_scheme(git_urls.parse(url), has_token=bool(token), has_key=bool(deploy_key))
    if parsed.scheme == "ssh":
        remote = _ssh_remote(parsed, deploy_key)
    else:
        remote = _http_remote(parsed, token or _portal_token(parsed.host))
    remote = replace(remote, pinned_address=_pinned_address(parsed))
    return remote.with_suffix() if suffix or parsed.suffixed or parsed.host in git_urls.CASELESS else remote


def example_repository(name: str) -> Path:
    """The repository made of one of our examples."""
    return Path(settings.DATA_DIR) / "examples" / f"{name}.git"


def secrets_of(application: Application) -> Iterator[str]:
    """Everything that fetching this application's source must never show."""
    yield from (application.deploy_key.reveal(), settings.GITHUB_TOKEN)
    token = application.git_token.reveal()
    yield token
    yield token.partition(":")[2]


def _choose_scheme(url: git_urls.GitUrl, *, has_token: bool, has_key: bool) -> git_urls.GitUrl:
    if not url.usual_port or url.scheme == "http":
        return url
    scheme = "ssh" if has_key and not (has_token and url.scheme == "https") else "https"
    port = allowed_hosts.USUAL_PORTS[scheme]
    if allowed_hosts.why_not_admitted(scheme, url.host, port):
        return url
    return replace(url, scheme=scheme, port=port)


def _http_remote(url: git_urls.GitUrl, token: Secret | None) -> Remote:
    files = {}
    if token:
        user, colon, password = token.reveal().partition(":")
        if not colon:
            user, password = TOKEN_USERS.get(url.host, OTHER_TOKEN_USER), token.reveal()
        files = {
            "askpass": ASKPASS,
            "git_user": user.encode() + b"\n",
            "git_token": password.encode() + b"\n",
        }
    return Remote(url=str(url), protocol=url.scheme, origin=url.origin, files=files)


def _ssh_remote(url: git_urls.GitUrl, key: Secret | None) -> Remote:
    files = {}
    if key:
        # ssh refuses a key whose last line has no end, or whose lines end as on Windows.
        files["deploy_key"] = key.reveal().replace("\r\n", "\n").strip().encode() + b"\n"
    pinned = PINNED_HOST_KEYS.get(url.host) if url.usual_port else None
    if pinned:
        files["known_hosts"] = f"{url.host} {pinned}\n".encode()
    return Remote(
        url=str(url),
        protocol="ssh",
        origin=url.origin,
        files=files,
        has_key=bool(key),
        knows_host=bool(pinned),
    )


def _portal_token(host: str) -> Secret | None:
    return Secret(settings.GITHUB_TOKEN) if host == "github.com" and settings.GITHUB_TOKEN else None


def _pinned_address(url: git_urls.GitUrl) -> str:
    """Resolve a host that nobody vouched for, and hold on to the address that was checked."""
    if allowed_hosts.is_listed(url.scheme, url.host, url.port):
        return ""
    reason = allowed_hosts.why_not_admitted(url.scheme, url.host, url.port)
    found = addresses.resolve(url.host)
    reason = reason or next(filter(None, map(addresses.why_not_public, found)), "")
    if reason:
        raise GitFailed("git_host_refused", f"{url.host} cannot be used: {reason}.")
    if not found:
        raise GitFailed("git_unreachable", f"The name {url.host} has no address.")
    address = f"[{found[0]}]" if found[0].version == 6 else str(found[0])
    return f"{url.host}:{url.port}:{address}"
