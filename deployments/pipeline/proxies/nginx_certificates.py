"""Certificates for the names of a site: how to get one, and until when it holds."""

import shlex
from collections.abc import Sequence
from datetime import datetime

from cryptography import x509

from deployments.pipeline.proxies.nginx_rendering import HOSTNAME, Layout
from instances.hosts.base import Host, HostError

READ = 'if [ -e "$1" ]; then cat "$1"; fi'
READ_SECONDS = 10

SCRIPT = r"""set -eu
export LC_ALL=C DEBIAN_FRONTEND=noninteractive NEEDRESTART_SUSPEND=1
has() { command -v "$1" >/dev/null 2>&1; }
if ! has certbot; then
  echo "Installing certbot."
  if has apt-get; then
    apt-get -qq -o DPkg::Lock::Timeout=300 update
    apt-get -qq -y -o DPkg::Lock::Timeout=300 -o Dpkg::Use-Pty=0 --no-install-recommends install certbot
  else
    dnf -q -y install certbot
  fi
fi
mkdir -p "$challenges"
echo "Asking for a certificate for $names."
set -- certonly --non-interactive --agree-tos --webroot -w "$challenges" --cert-name "$first" \
  --keep-until-expiring --expand --deploy-hook "$reload" "$@"
timeout 240 certbot "$@"
if [ -d /run/systemd/system ]; then
  for timer in certbot.timer certbot-renew.timer; do
    if systemctl -q cat "$timer" >/dev/null 2>&1; then systemctl -q enable --now "$timer"; fi
  done
fi
"""


def script(layout: Layout, hostnames: Sequence[str], *, email: str, acme_url: str) -> str:
    """A script that gets one certificate for these names and sees to its renewal; may be run again."""
    for name in hostnames:
        if not HOSTNAME.fullmatch(name):
            raise ValueError(f"{name!r} is no host name.")
    account = ["-m", email] if email else ["--register-unsafely-without-email"]
    server = ["--server", acme_url] if acme_url else []
    domains = [word for name in hostnames for word in ("-d", name)]
    values = {
        "challenges": layout.challenges,
        "names": ", ".join(hostnames),
        "first": hostnames[0],
        "reload": shlex.join([*layout.command, "-s", "reload"]),
    }
    settings = [f"{name}={shlex.quote(value)}" for name, value in values.items()]
    return "\n".join([*settings, f"set -- {shlex.join([*account, *server, *domains])}", SCRIPT])


def expiry(host: Host, layout: Layout, hostname: str) -> datetime | None:
    """Until when the certificate of this name holds; None when there is none."""
    if not HOSTNAME.fullmatch(hostname):
        raise ValueError(f"{hostname!r} is no host name.")
    file = f"{layout.certificates}/{hostname}/fullchain.pem"
    result = host.call(["sh", "-c", READ, "read", file], timeout=READ_SECONDS)
    if not result.ok:
        raise HostError(f"The certificate of {hostname} could not be read: {result.err.strip()}")
    if not result.out.strip():
        return None
    try:
        return x509.load_pem_x509_certificate(result.out.encode()).not_valid_after_utc
    except ValueError as error:
        raise HostError(f"The certificate of {hostname} is damaged.") from error
