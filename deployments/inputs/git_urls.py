"""URLs of repositories: which forms and servers are accepted, and when two of them mean the same repository."""

import re
from dataclasses import dataclass, replace
from pathlib import Path

from django.conf import settings

from deployments.inputs import allowed_hosts
from deployments.inputs.names import suggest_name
from deployments.inputs.text import plain, refuse
from portal.core import addresses

WHAT = "The Git URL"
EXAMPLE_FORM = "https://github.com/owner/repository"
SCP = re.compile(r"(?P<user>[^@:/]*)@(?P<host>[^:/@]+):(?P<path>.*)")
WITH_SCHEME = re.compile(
    r"(?P<scheme>[A-Za-z][A-Za-z0-9+.-]*)://"
    r"(?:(?P<user>[^/]*)@)?(?P<host>\[[^\]/]*\]|[^:/\[\]]*)(?::(?P<port>[^/]*))?(?:/(?P<path>.*))?"
)
PORT = re.compile(r"[1-9][0-9]{0,4}")
SEGMENT = re.compile(r"[A-Za-z0-9._~-]+")
GITHUB_OWNER = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]*")
EXAMPLE_NAME = re.compile(r"[a-z0-9][a-z0-9-]*")
# Hosts whose repositories have exactly an owner and a name, and where capitals do not matter.
TWO_PARTS = {"github.com", "bitbucket.org"}
CASELESS = {*TWO_PARTS, "gitlab.com"}
# The third part of a page inside a repository, on servers where repositories may lie deeper.
PAGES = {"tree", "blob", "commit", "commits", "pull", "pulls", "issues", "merge_requests", "releases"}
SOURCE_PAGES = {"branch", "commit", "tag"}


@dataclass(frozen=True)
class GitUrl:
    """A repository on a server. The path has no trailing slash and no `.git`."""

    scheme: str
    host: str
    port: int
    path: str
    # Whether the URL was written with `.git` at its end.
    suffixed: bool = False

    @property
    def usual_port(self) -> bool:
        return self.port == allowed_hosts.USUAL_PORTS[self.scheme]

    @property
    def origin(self) -> str:
        """Scheme, host and port, as a client is told of them."""
        user = "git@" if self.scheme == "ssh" else ""
        port = "" if self.usual_port else f":{self.port}"
        return f"{self.scheme}://{user}{self.host}{port}"

    def __str__(self) -> str:
        return f"{self.origin}/{self.path}"


def check_git_url(value: str) -> None:
    """Refuse what is not the URL of a repository on an allowed server, or of one of our examples."""
    # Our own checkout may lie in a folder with any name.
    if isinstance(value, str) and is_example_url(value):
        return
    plain(value, what=WHAT, limit=512)
    if value.lower().startswith("file:"):
        refuse(
            "scheme",
            f"{WHAT} begins with file:, which is possible for the examples of this portal only. "
            f"Write it like {EXAMPLE_FORM}.",
        )
    url = parse(value)
    reason = allowed_hosts.why_not_admitted(url.scheme, url.host, url.port)
    if reason and url.scheme == "http" and url.usual_port:
        refuse(
            "host",
            f"{WHAT} begins with http, which anybody on the way can change. Write https://{url.host}/….",
        )
    if reason:
        refuse(
            "host",
            f"{url.host} cannot be used: {reason}. Use {_allowed_hosts()}, or ask an administrator to add the "
            "server to GIT_ALLOWED_HOSTS.",
        )


def normalise_git_url(url: str) -> str:
    """The one spelling that all spellings of the same repository share; itself an accepted URL."""
    example = example_name(url)
    if example is not None:
        return f"file://{settings.EXAMPLES_DIR}/{example}"
    parsed = parse(url)
    if (parsed.scheme, parsed.port) == ("ssh", 22) and allowed_hosts.why_not_admitted(
        "https", parsed.host, 443
    ) == "":
        parsed = replace(parsed, scheme="https", port=443)
    if parsed.host in CASELESS:
        parsed = replace(parsed, path=parsed.path.lower())
    return str(parsed)


def suggest_app_name(url: str) -> str:
    """A valid name for the application in this repository."""
    return suggest_name(url.rstrip("/").removesuffix(".git").rpartition("/")[2])


def is_example_url(url: str) -> bool:
    """Is this one of the examples of our own checkout?"""
    return example_name(url) is not None


def is_local_only(url: str) -> bool:
    """Can this only be deployed to this machine, because no other can fetch it?"""
    return url.lower().startswith("file:")


def example_name(url: str) -> str | None:
    """The folder's name when the URL is `file://` and a direct, real sub-folder of our examples."""
    examples = Path(settings.EXAMPLES_DIR)
    name = url.removesuffix("/").rpartition("/")[2]
    # A folder with a space or the like may be written as it is or as a URI.
    spellings = (f"file://{examples}/{name}", f"{examples.as_uri()}/{name}")
    if url.removesuffix("/") not in spellings or not EXAMPLE_NAME.fullmatch(name):
        return None
    folder = examples / name
    return name if folder.is_dir() and not folder.is_symlink() else None


def parse(value: str) -> GitUrl:
    """Take a URL apart, refusing whatever programs could read differently."""
    match = WITH_SCHEME.fullmatch(value) or SCP.fullmatch(value)
    if match is None or "::" in value.partition("/")[0]:
        like = _with_https(value)
        refuse("scheme", f"{WHAT} has no form that is accepted. Write it like {like}.")
    parts = match.groupdict()
    scheme = parts.get("scheme") or "ssh"
    if scheme not in allowed_hosts.USUAL_PORTS:
        refuse(
            "scheme", f"{WHAT} begins with {scheme[:20]}://. Only https and ssh are accepted: {EXAMPLE_FORM}."
        )
    _check_user(scheme, parts["user"])
    host = _host(parts["host"])
    path, suffixed = _path(host, parts["path"] or "", scp="scheme" not in parts)
    return GitUrl(scheme, host, _port(scheme, parts.get("port")), path, suffixed)


def _with_https(value: str) -> str:
    """What somebody who left the scheme out may have meant."""
    meant = f"https://{value}"
    known = value.partition("/")[0].lower() in {entry.host for entry in allowed_hosts.entries()}
    return meant if known else EXAMPLE_FORM


def _check_user(scheme: str, user: str | None) -> None:
    if scheme == "ssh":
        if user != "git":
            refuse("user", f"{WHAT} must name the user git for ssh: ssh://git@host/owner/repository.")
    elif user is not None:
        refuse(
            "credentials",
            f"{WHAT} contains a user name or token, which would be seen by everybody. Take it out, and store the "
            "token in the application's settings.",
        )


def _host(text: str) -> str:
    host = text.lower()
    if host.startswith("["):
        address = addresses.parse_address(host.strip("[]"))
        if address is None or f"[{address}]" != host:
            refuse("host", f"{WHAT} has an address in an unusual spelling. Write the server's name.")
        return host
    if not addresses.is_dns_name(host):
        address = addresses.parse_address(host)
        if address is None:
            refuse("host", f"{WHAT} has no valid host name. Write it like {EXAMPLE_FORM}.")
    bare = host.removeprefix("www.")
    return bare if any(entry.host == bare for entry in allowed_hosts.entries()) else host


def _port(scheme: str, text: str | None) -> int:
    if text is None:
        return allowed_hosts.USUAL_PORTS[scheme]
    if not PORT.fullmatch(text) or int(text) > 65535:
        refuse("port", f"{WHAT} has no valid port after the host. Leave the port out.")
    return int(text)


def _path(host: str, text: str, *, scp: bool) -> tuple[str, bool]:
    """The path without `.git` and trailing slash, and whether `.git` was there."""
    for mark, name in (("?", "a query"), ("#", "a fragment"), ("%", "a percent sign")):
        if mark in text:
            refuse("path", f"{WHAT} contains {name} ({mark}). Give only the repository: {EXAMPLE_FORM}.")
    text = text.removesuffix("/")
    segments = text.split("/")
    _check_segments(host, segments)
    if scp and len(segments) > 2 and segments[0].isdecimal():
        refuse(
            "port",
            f"{WHAT} has a number after the colon. To name a port write ssh://git@{host}:{segments[0]}/….",
        )
    suffixed = segments[-1].endswith(".git")
    return text.removesuffix(".git"), suffixed


def _check_segments(host: str, segments: list[str]) -> None:
    if len(segments) < 2:
        refuse("path", f"{WHAT} must name an owner and a repository: https://{host}/owner/repository.")
    _refuse_page(host, segments)
    for segment in segments:
        if not SEGMENT.fullmatch(segment) or segment.startswith("-"):
            refuse(
                "path",
                f"{WHAT} has a part that is empty, begins with a hyphen, or contains other characters than letters, "
                f"digits and . _ ~ -. Copy the repository's address again: {EXAMPLE_FORM}.",
            )
        if ".." in segment or segment in (".", ".git"):
            refuse(
                "path", f"{WHAT} contains .., . or .git as a part. Give only the repository: {EXAMPLE_FORM}."
            )
    if host == "github.com" and not GITHUB_OWNER.fullmatch(segments[0]):
        refuse(
            "path",
            f"{segments[0][:40]} cannot be an owner on GitHub. Write https://github.com/owner/repository.",
        )


def _refuse_page(host: str, segments: list[str]) -> None:
    """Refuse the address of a page inside a repository, and name the repository."""
    depth = 0
    if host in TWO_PARTS and len(segments) > 2:
        depth = 2
    elif "-" in segments[2:]:
        depth = segments.index("-", 2)
    elif len(segments) > 3 and (
        segments[2] in PAGES or (segments[2] == "src" and segments[3] in SOURCE_PAGES)
    ):
        depth = 2
    if depth and all(SEGMENT.fullmatch(segment) and segment.strip(".") for segment in segments):
        repository = "/".join(segments[:depth])
        refuse(
            "sub_path",
            f"{WHAT} points to something inside a repository. Give the repository, https://{host}/{repository}, and "
            "choose branch and Dockerfile in their own fields.",
        )


def _allowed_hosts() -> str:
    names = sorted({str(entry.host) for entry in allowed_hosts.entries()})
    return ", ".join(names) if names else "another server"
