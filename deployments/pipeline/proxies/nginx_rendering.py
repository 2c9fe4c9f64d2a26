"""What NGINX reads: the part that all sites share, and the files of one site."""

import ipaddress
import re
from dataclasses import dataclass

from deployments.pipeline.proxies.base import ProxyOptions, Route

SITE = re.compile(r"[A-Za-z0-9_-]{1,64}")
HOSTNAME = re.compile(r"[a-z0-9](?:[a-z0-9.-]{0,251}[a-z0-9])?")
PREFIX = re.compile(r"(?:/[A-Za-z0-9._~-]+)+")
HEADER = re.compile(r"[A-Za-z0-9-]{1,64}")
# NGINX knows no way to write a dollar in a value.
VALUE = re.compile(r"[ -#%-~]{0,1000}")

# `nginx.sh` looks for this line: this site answers for port 80 where no other is asked for.
ROOT = "# the site of this port"

BASE = r"""# Written by the portal, which writes it again when it is changed.
server_names_hash_bucket_size 256;
map $http_upgrade $portal_connection { default upgrade; "" close; }
map $http_host $portal_host { default $http_host; "" $host; }
log_format portal_json escape=json '{"at":"$time_iso8601","site":"$portal_site","client":"$remote_addr",'
  '"method":"$request_method","host":"$host","path":"$uri","status":"$status","bytes":"$body_bytes_sent",'
  '"seconds":"$request_time","upstream":"$upstream_addr","upstream_seconds":"$upstream_response_time",'
  '"agent":"$http_user_agent"}';
server {
  listen 127.0.0.1:%(control)d;
  access_log off;
  location / {
    default_type text/plain;
    include %(conf)s/portal/generation.inc;
  }
}
include %(conf)s/portal/sites/*.conf;
"""

CHALLENGE = """location ^~ /.well-known/acme-challenge/ {
  allow all;
  auth_basic off;
  default_type text/plain;
  root %(challenges)s;
}
"""

DEFAULT = """# Who asks for none of the sites finds nothing here.
server {
  listen %(http)d default_server;
  listen [::]:%(http)d default_server;
  server_name _;
  server_tokens off;
  absolute_redirect off;
  set $portal_site "-";
  access_log %(logs)s/portal-access.json portal_json;
  include %(conf)s/portal/challenge.inc;
  include %(conf)s/portal/locations/*.conf;
  location / {
    default_type text/plain;
    return 404 "No application answers here.\\n";
  }
}
"""

LOGROTATE = """%(logs)s/portal-access.json {
  daily
  rotate 14
  maxsize 200M
  missingok
  notifempty
  compress
  delaycompress
  postrotate
    nginx -s reopen >/dev/null 2>&1 || true
  endscript
}
"""


@dataclass(frozen=True)
class Layout:
    """Where the NGINX of a host keeps its things, the same on Debian, Ubuntu and Amazon Linux."""

    conf: str = "/etc/nginx"
    logs: str = "/var/log/nginx"
    pid_file: str = "/run/nginx.pid"
    challenges: str = "/var/lib/portal/acme"
    certificates: str = "/etc/letsencrypt/live"
    # Tells on loopback which configuration runs.
    control: int = 9180
    http: int = 80
    https: int = 443
    command: tuple[str, ...] = ("nginx",)
    # The unit that starts it; empty: the command itself does.
    service: str = "nginx"

    def fill(self, text: str) -> str:
        return text % vars(self)

    def certificate(self, route: Route) -> str:
        """The file with the certificate of a site's first name; empty when it wants none."""
        if not route.https or not route.hostnames:
            return ""
        return f"{self.certificates}/{route.hostnames[0]}/fullchain.pem"


def shared_files(layout: Layout) -> dict[str, str]:
    """What stands in every NGINX that the portal drives."""
    files = {
        "base": layout.fill(BASE),
        "challenge": layout.fill(CHALLENGE),
        "default": layout.fill(DEFAULT),
    }
    return files | {"logrotate": layout.fill(LOGROTATE)} if layout.service else files


def site_files(route: Route, layout: Layout) -> dict[str, str]:
    """The files of one site: for plain HTTP, and for the day when its certificate is there."""
    check(route)
    if route.path_prefix and not route.hostnames:
        return {"http": _upstream(route), "location": _locations(route, layout)}
    files = {"http": _upstream(route) + _server(route, layout, _listen(route, layout))}
    if route.https and route.hostnames:
        files["https"] = _upstream(route) + _redirect(route, layout) + _secure_server(route, layout)
    return files


def check(route: Route) -> None:
    """Nothing that could say more than one word to NGINX; people's input was refused long before."""
    options = route.options
    texts = [
        (SITE, route.site),
        *((HOSTNAME, name) for name in route.hostnames),
        *((HEADER, name) for name in options.headers),
        *((VALUE, value) for value in options.headers.values()),
    ]
    if route.path_prefix:
        texts.append((PREFIX, route.path_prefix))
    for pattern, text in texts:
        if not pattern.fullmatch(text):
            raise ValueError(f"{text!r} cannot stand in a configuration of NGINX.")
    for network in options.allow:
        ipaddress.ip_network(network, strict=False)


def _upstream(route: Route) -> str:
    """The fallback is asked when nobody takes the connection, and never kept waiting for."""
    servers = [f"  server 127.0.0.1:{int(route.upstream_port)} max_fails=0;"]
    if route.fallback_port is not None and route.fallback_port != route.upstream_port:
        servers.append(f"  server 127.0.0.1:{int(route.fallback_port)} max_fails=0 backup;")
    return "\n".join([f"upstream portal_{route.site} {{", *servers, "}", ""])


def _listen(route: Route, layout: Layout) -> str:
    """A site without a name is the one of its whole port."""
    if route.hostnames:
        port, default = layout.http, ""
    else:
        port, default = int(route.public_port), " default_server"
    return f"  listen {port}{default};\n  listen [::]:{port}{default};\n"


def _server(route: Route, layout: Layout, listen: str, more: str = "") -> str:
    is_root = not route.hostnames and route.public_port == layout.http
    shared = f"  include {layout.conf}/portal/locations/*.conf;\n" if is_root else ""
    rest = "  location / { return 404; }\n" if route.path_prefix else ""
    return (
        (f"{ROOT}\n" if is_root else "")
        + f"server {{\n{listen}{_names(route)}{more}{_common(route, layout)}{shared}"
        + _locations(route, layout)
        + f"{rest}}}\n"
    )


def _secure_server(route: Route, layout: Layout) -> str:
    certificate = layout.certificate(route)
    key = certificate.removesuffix("fullchain.pem") + "privkey.pem"
    listen = f"  listen {layout.https} ssl;\n  listen [::]:{layout.https} ssl;\n"
    keys = (
        f"  ssl_certificate {certificate};\n  ssl_certificate_key {key};\n  ssl_protocols TLSv1.2 TLSv1.3;\n"
    )
    return _server(route, layout, listen, keys)


def _redirect(route: Route, layout: Layout) -> str:
    port = "" if layout.https == 443 else f":{layout.https}"
    return (
        f"server {{\n{_listen(route, layout)}{_names(route)}{_common(route, layout)}"
        f"  location / {{ return 308 https://$host{port}$request_uri; }}\n}}\n"
    )


def _names(route: Route) -> str:
    return f"  server_name {' '.join(route.hostnames) or '_'};\n"


def _common(route: Route, layout: Layout) -> str:
    return (
        "  server_tokens off;\n  absolute_redirect off;\n"
        f'  set $portal_site "{route.site}";\n'
        f"  access_log {layout.logs}/portal-access.json portal_json;\n"
        f"  include {layout.conf}/portal/challenge.inc;\n"
    )


def _locations(route: Route, layout: Layout) -> str:
    prefix = route.path_prefix
    lines = [*_passing(route), *_doors(route, layout), *_options(route.options)]
    body = "".join(f"    {line};\n" for line in lines)
    if not prefix:
        return f"  location / {{\n    proxy_pass http://portal_{route.site};\n{body}  }}\n"
    # The slash at the end of the target takes the prefix off.
    return (
        f"  location = {prefix} {{ return 308 {prefix}/$is_args$args; }}\n"
        f"  location ^~ {prefix}/ {{\n    proxy_pass http://portal_{route.site}/;\n"
        f'    set $portal_site "{route.site}";\n'
        f"    proxy_set_header X-Forwarded-Prefix {prefix};\n{body}  }}\n"
    )


def _passing(route: Route) -> list[str]:
    seconds = int(route.options.read_seconds)
    upgrade, connection = (
        ("$http_upgrade", "$portal_connection") if route.options.websockets else ('""', "close")
    )
    return [
        "proxy_http_version 1.1",
        "proxy_set_header Host $portal_host",
        "proxy_set_header X-Real-IP $remote_addr",
        "proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for",
        "proxy_set_header X-Forwarded-Proto $scheme",
        "proxy_set_header X-Forwarded-Host $portal_host",
        'proxy_set_header Proxy ""',
        f"proxy_set_header Upgrade {upgrade}",
        f"proxy_set_header Connection {connection}",
        "proxy_connect_timeout 5s",
        f"proxy_send_timeout {seconds}s",
        f"proxy_read_timeout {seconds}s",
        # A connection that is refused goes to the fallback; a slow answer is no reason to ask twice.
        "proxy_next_upstream error",
        "proxy_next_upstream_tries 2",
    ]


def _doors(route: Route, layout: Layout) -> list[str]:
    allow = [f"allow {ipaddress.ip_network(network, strict=False)}" for network in route.options.allow]
    if allow:
        # The health check asks from the machine itself; containers have addresses of their own.
        allow += ["allow 127.0.0.1", "deny all"]
    if route.basic_auth:
        allow += ['auth_basic "Sign in"', f"auth_basic_user_file {layout.conf}/portal/auth/{route.site}"]
        # The application has no business with the password of the door.
        allow.append('proxy_set_header Authorization ""')
    return allow


def _options(options: ProxyOptions) -> list[str]:
    headers = [f"add_header {name} {_quoted(value)} always" for name, value in options.headers.items()]
    return [f"client_max_body_size {int(options.body_mb)}m", *headers]


def _quoted(value: str) -> str:
    escaped = value.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
