"""The keys of a machine after it was made: the one that came with its first start is replaced."""

from typing import Any

from django.utils import timezone

from instances.hosts.base import Host, HostError
from instances.models import Instance
from instances.states import Kind
from portal.core import audit

# Makes a new key beside the injected one and prints its public half; looks first.
MAKE = """\
set -eu
umask 077
cd /etc/ssh
[ -f portal_next_key ] || { ssh-keygen -q -t ed25519 -N '' -C '' -f portal_next_key.new </dev/null
  mv portal_next_key.new.pub portal_next_key.pub; mv portal_next_key.new portal_next_key; }
cut -d' ' -f1,2 portal_next_key.pub
"""
# Puts it in the place of the injected one; sshd goes on with its connections.
INSTALL = """\
set -eu
umask 077
cd /etc/ssh
if [ -f portal_next_key ]; then
  cp portal_next_key.pub ssh_host_ed25519_key.pub.new
  cp portal_next_key ssh_host_ed25519_key.new
  mv ssh_host_ed25519_key.pub.new ssh_host_ed25519_key.pub
  mv ssh_host_ed25519_key.new ssh_host_ed25519_key
  chmod 644 ssh_host_ed25519_key.pub
fi
systemctl reload ssh 2>/dev/null || systemctl reload sshd 2>/dev/null || pkill -HUP -o -x sshd
rm -f portal_next_key portal_next_key.pub
"""


def renew_host_key(instance: Instance, host: Host) -> None:
    """Replace the host key that travelled in the user data, once; both are trusted in between."""
    if instance.kind != Kind.EC2 or instance.host_key_confirmed_at or not instance.launch_sealed:
        return
    made = host.call(["sh", "-c", MAKE], timeout=20)
    if not made.ok or not made.out.startswith("ssh-ed25519 "):
        raise HostError(f"A new host key could not be made: {made.err.strip()[-200:]}")
    new = made.out.strip()
    if new not in instance.host_keys:
        _pin(instance, [*instance.host_keys, new])
    installed = host.call(["sh", "-c", INSTALL], timeout=20)
    if not installed.ok:
        raise HostError(f"The new host key could not be put in place: {installed.err.strip()[-200:]}")
    _pin(instance, [new], host_key_confirmed_at=timezone.now())
    audit.record("instance.host_key_renewed", instance, by=None, team=instance.team)


def _pin(instance: Instance, keys: list[str], **changes: Any) -> None:
    Instance.objects.filter(pk=instance.pk).update(host_keys=keys, **changes)
    instance.host_keys = keys
