"""NGINX on a host, driven over whatever reaches that host; the portal's files beside everybody else's."""

import base64
import json
import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from datetime import datetime
from functools import cache
from pathlib import Path

import bcrypt

from deployments.pipeline.proxies import nginx_certificates, nginx_logs, nginx_status
from deployments.pipeline.proxies.base import PortTaken, ProxyRefused, Route, SiteStatus
from deployments.pipeline.proxies.nginx_rendering import SITE, Layout, shared_files, site_files
from instances.hosts.base import Host, HostError, Result

# How `nginx.sh` ends.
REFUSED, PORT_TAKEN = 70, 71

CHANGE_SECONDS = 45
LOOK_SECONDS = 10
# Checked for every request, so it must not take long; 72 bytes are all that it looks at.
HASH_ROUNDS, HASHED_BYTES = 5, 72


class NginxProxy:
    """The NGINX of a host as a proxy. `address` is what people reach the host under."""

    def __init__(self, host: Host, *, address: str | Callable[[], str], layout: Layout | None = None) -> None:
        self.host = host
        self.layout = layout or Layout()
        self._address = address

    def __repr__(self) -> str:
        return f"NginxProxy({self.host!r})"

    def ensure(self) -> None:
        """Make sure that it runs with the portal's part in it. Raises ProxyRefused in NGINX's own words."""
        self._change("ensure", {})

    def apply(self, route: Route) -> None:
        files = site_files(route, self.layout)
        files["route"] = json.dumps(_as_json(route), sort_keys=True)
        if route.basic_auth:
            files["auth"] = _hashed(route.basic_auth)
        self._change("apply", files, site=route.site, certificate=self.layout.certificate(route))

    def remove(self, site: str) -> None:
        self._change("remove", {}, site=site)

    def answer_challenges(self, route: Route) -> None:
        """Let the names of a route answer a certificate authority; the site itself stays as it is."""
        self.ensure()

    def status(self) -> dict[str, SiteStatus]:
        result = self.host.call(self._command("status"), timeout=LOOK_SECONDS)
        if not result.ok:
            raise HostError(result.err.strip() or "NGINX does not answer.")
        return nginx_status.read(result.out)

    def address(self, route: Route) -> str:
        scheme, standard = ("https", 443) if route.https and route.hostnames else ("http", 80)
        port = self.layout.https if scheme == "https" else self.layout.http
        if route.hostnames:
            name = route.hostnames[0]
        else:
            name = self._address if isinstance(self._address, str) else self._address()
            name = f"[{name}]" if ":" in name else name
            port = port if route.path_prefix else route.public_port
        return f"{scheme}://{name}{'' if port == standard else f':{port}'}{route.path_prefix}/"

    def access_log(self, site: str, lines: int = 50) -> list[str]:
        """The last requests of a site, each a line of JSON."""
        return nginx_logs.access(self.host, self.layout, site, lines)

    def error_log(self, lines: int = 50) -> list[str]:
        """What NGINX complained about last, for all sites of the host."""
        return nginx_logs.errors(self.host, self.layout, lines)

    def certificate_expiry(self, hostname: str) -> datetime | None:
        """Until when the certificate of a site's first name holds; None when there is none."""
        return nginx_certificates.expiry(self.host, self.layout, hostname)

    def certificate_script(self, hostnames: Sequence[str], *, email: str, acme_url: str) -> str:
        """The job that gets a certificate for these names, and has it renewed."""
        return nginx_certificates.script(self.layout, hostnames, email=email, acme_url=acme_url)

    def _change(self, act: str, files: Mapping[str, str], *, site: str = "", certificate: str = "") -> None:
        """One call that changes all or nothing, and returns when the running NGINX has it."""
        everything = {**shared_files(self.layout), **files}
        lines = (f"{name} {base64.b64encode(text.encode()).decode()}\n" for name, text in everything.items())
        command = self._command(act, site=site, certificate=certificate)
        _check(self.host.call(command, input="".join(lines).encode(), timeout=CHANGE_SECONDS))

    def _command(self, act: str, *, site: str = "", certificate: str = "") -> list[str]:
        if site and not SITE.fullmatch(site):
            raise ValueError(f"{site!r} cannot name a site.")
        layout = self.layout
        places = [layout.conf, layout.pid_file, layout.service, str(layout.control)]
        values = [*places, secrets.token_hex(8), site, certificate]
        return ["bash", "-c", _script(), "portal-nginx", act, *values, *layout.command]


@cache
def _script() -> str:
    return Path(__file__).with_suffix(".sh").read_text()


def _check(result: Result) -> None:
    if result.ok:
        return
    words = result.err.strip() or f"exit code {result.code}"
    if result.code == PORT_TAKEN:
        raise PortTaken(words)
    if result.code == REFUSED:
        raise ProxyRefused(words)
    raise HostError(f"NGINX could not be changed: {words}")


def _as_json(route: Route) -> dict[str, object]:
    """A route without its secret, which never lies on a host in clear."""
    kept = asdict(route)
    del kept["basic_auth"]
    return kept


def _hashed(basic_auth: str) -> str:
    user, _, password = basic_auth.partition(":")
    salt = bcrypt.gensalt(HASH_ROUNDS, prefix=b"2b")
    return f"{user}:{bcrypt.hashpw(password.encode()[:HASHED_BYTES], salt).decode()}\n"
