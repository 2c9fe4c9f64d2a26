"""What settings need before Django is there: the data directory, kept keys, strict parsing."""

import atexit
import ipaddress
import os
import secrets
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

from django.core.exceptions import ImproperlyConfigured

TRUE_WORDS = {"1", "true", "yes", "on"}
FALSE_WORDS = {"0", "false", "no", "off", ""}
LOOPBACK_NAMES = {"localhost", ""}


def make_data_dir(path: Path) -> None:
    """Make the data directory; only its owner may look inside, but others may pass through.

    Deployed applications run as other users and must reach their own folders below it.
    """
    path.mkdir(parents=True, exist_ok=True)
    path.chmod(0o711)
    (path / "run").mkdir(mode=0o700, exist_ok=True)


def make_private(database: Path) -> None:
    """Make the file before SQLite does: applications of other users pass through the data directory."""
    if database.is_absolute() and database.parent.is_dir() and not database.exists():
        os.close(os.open(database, os.O_WRONLY | os.O_CREAT, 0o600))


def passing_folder() -> Path:
    """Make a data directory that goes away with this process."""
    folder = Path(tempfile.mkdtemp(prefix="portal-test-"))
    owner = os.getpid()
    atexit.register(lambda: shutil.rmtree(folder, ignore_errors=True) if os.getpid() == owner else None)
    return folder


def _random_key() -> str:
    return secrets.token_urlsafe(48)


def kept_id(path: Path) -> str:
    """Return the short name kept in this file; make a random one first when there is none."""
    return kept_key(path, make=lambda: secrets.token_hex(4))


def kept_key(path: Path, *, make: Callable[[], str] = _random_key) -> str:
    """Return the key kept in this file; make a random one first when there is none."""
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        pass
    else:
        with os.fdopen(descriptor, "w") as file:
            file.write(make())
    key = path.read_text().strip()
    if not key:
        raise ImproperlyConfigured(
            f"{path} is empty. Delete it to get a new key, or restore it from a backup."
        )
    return key


def strict_bool(text: str, *, name: str) -> bool:
    """Read a yes or no; any other word stops the start, so that a typo is never a silent no."""
    word = text.strip().lower()
    if word in TRUE_WORDS:
        return True
    if word in FALSE_WORDS:
        return False
    raise ImproperlyConfigured(f"{name} is {text!r}; it must be 1 or 0.")


def port_range(text: str) -> range:
    """Read `20000-20999` as a range that includes both ends."""
    first, _, last = text.partition("-")
    try:
        ports = range(int(first), int(last) + 1)
    except ValueError:
        ports = range(0)
    if not ports or ports.start < 1024 or ports.stop > 65536:
        raise ImproperlyConfigured(f"{text!r} is not a range of ports such as 20000-20999.")
    return ports


def refuse_unsafe(*, debug: bool, host: str, allowed_hosts: list[str], secret_key: str) -> None:
    """Stop the start on settings that would leave the portal open."""
    problems = []
    if len(secret_key) < 32 or len(set(secret_key)) < 8:
        problems.append("SECRET_KEY is too short or too simple: use 50 random characters, or leave it empty.")
    if "*" in allowed_hosts:
        problems.append("ALLOWED_HOSTS may not be *: name the hosts under which people reach the portal.")
    if debug and not is_loopback(host):
        problems.append(f"DEBUG=1 shows code and settings; it is refused while HOST is {host}.")
    if problems:
        raise ImproperlyConfigured("\n".join(problems))


def is_loopback(host: str) -> bool:
    """Tell whether an address to listen on is reachable from this machine only."""
    if host in LOOPBACK_NAMES:
        return host == "localhost"
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False
