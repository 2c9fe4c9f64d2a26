"""What a new machine is told at its first start: its keys, and to get ready at once."""

import base64
import gzip
import shlex
from collections.abc import Sequence
from typing import Any

import yaml
from django.conf import settings

from instances import bootstrap
from portal.core.secrets import Secret

FOLDER = "/var/lib/portal"
SCRIPT = f"{FOLDER}/bootstrap.sh"
LOG = f"{FOLDER}/bootstrap.log"
MARKER = f"{FOLDER}/instance"
# AWS takes no more, counted before its base64.
LIMIT_BYTES = 16 * 1024


def user_data(
    *, instance: str, host_private: Secret, host_public: str, client_public: str, warm: Sequence[str] = ()
) -> str:
    """The cloud-config. It holds the private half of the first host key, so it is a secret itself."""
    script = bootstrap.script(source=settings.DOCKER_SOURCE, extras=settings.BOOTSTRAP_EXTRAS)
    config: dict[str, Any] = {
        # Nothing the machine makes by itself: the key is known before anybody connects.
        "ssh_deletekeys": True,
        "ssh_genkeytypes": [],
        "ssh_keys": {"ed25519_private": host_private.reveal(), "ed25519_public": host_public},
        "users": ["default"],
        "ssh_authorized_keys": [client_public],
        "ssh_pwauth": False,
        "disable_root": True,
        "write_files": [
            _file(MARKER, f"{instance}\n", "0644"),
            _file(SCRIPT, script, "0700"),
        ],
        "runcmd": [_in_background(_commands(warm))],
    }
    text = "#cloud-config\n" + yaml.safe_dump(config, sort_keys=False, width=1000)
    if len(text.encode()) > LIMIT_BYTES:
        raise ValueError(f"The user data has {len(text)} bytes; {LIMIT_BYTES} are allowed.")
    return text


def _commands(warm: Sequence[str]) -> str:
    """Getting ready, then fetching what the first build will want, whatever became of the former."""
    commands = [shlex.join([SCRIPT, "all"])]
    if warm:
        commands.append(shlex.join([SCRIPT, "warm", *warm]))
    return "; ".join(commands)


def _in_background(commands: str) -> list[str]:
    """Started and left alone, so that the machine's own start does not wait for it."""
    return ["sh", "-c", f"setsid sh -c {shlex.quote(commands)} >{LOG} 2>&1 </dev/null &"]


def _file(path: str, content: str, mode: str) -> dict[str, str]:
    packed = base64.b64encode(gzip.compress(content.encode(), mtime=0)).decode()
    return {"path": path, "permissions": mode, "owner": "root:root", "encoding": "gz+b64", "content": packed}
