"""Opens one connection to a server: the host key is compared before anything of ours is shown."""

import base64
import logging
import socket
from collections.abc import Iterator
from contextlib import contextmanager

import paramiko
from django.core.exceptions import ValidationError

from instances.hosts import keys
from instances.hosts.base import HostError, HostRefused, HostTimeout
from instances.hosts.ssh_target import Target
from portal.core import addresses

Way = socket.socket | paramiko.Channel

RESOLVE_SECONDS = 5.0
CONNECT_SECONDS = 10.0
HANDSHAKE_SECONDS = 10.0
AUTH_SECONDS = 10.0
KEEPALIVE_SECONDS = 15
# How long what we sent may stay without any answer of the other system before the connection counts as dead.
UNANSWERED_MILLISECONDS = 30_000

CIPHERS = ("aes128-gcm@openssh.com", "aes256-gcm@openssh.com", "aes128-ctr", "aes192-ctr", "aes256-ctr")
DIGESTS = (
    "hmac-sha2-256-etm@openssh.com", "hmac-sha2-512-etm@openssh.com", "hmac-sha2-256", "hmac-sha2-512",
)  # fmt: skip
WINDOW = 1 << 21

# Whatever it has to say becomes an exception of ours; it would print whole tracebacks besides.
logging.getLogger("paramiko").setLevel(logging.CRITICAL)


def dial(host: str, port: int, *, timeout: float | None = None) -> socket.socket:
    """A TCP connection that sends small packets at once."""
    timeout = timeout or CONNECT_SECONDS
    known = addresses.parse_address(host)
    found = [known] if known else addresses.resolve(host, timeout=RESOLVE_SECONDS)
    if not found:
        raise HostError(f"The name {host} is not known here; check it, or write the address.")
    with _dialling(host, port, timeout):
        sock = socket.create_connection((str(found[0]), port), timeout=timeout)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, UNANSWERED_MILLISECONDS)
    return sock


def shake_hands(way: Way, host_keys: tuple[str, ...], *, timeout: float | None = None) -> paramiko.Transport:
    """Exchange keys with the server, preferring the kinds that are pinned. Nothing of ours is sent yet."""
    timeout = timeout or HANDSHAKE_SECONDS
    transport = paramiko.Transport(way, default_window_size=WINDOW)
    transport.banner_timeout = transport.handshake_timeout = timeout
    transport.auth_timeout = AUTH_SECONDS
    options = transport.get_security_options()
    options.ciphers = CIPHERS
    options.digests = DIGESTS
    options.key_types = _by_preference(tuple(options.key_types), host_keys)
    try:
        transport.start_client(timeout=timeout)
        transport.get_remote_server_key()
    except (paramiko.SSHException, EOFError, OSError) as error:
        transport.close()
        raise HostError(f"No SSH server answered there as one should: {_reason(error)}.") from error
    return transport


def shown_key(transport: paramiko.Transport) -> str:
    """The public key by which the server proved who it is."""
    key = transport.get_remote_server_key()
    return f"{key.get_name()} {base64.b64encode(key.asbytes()).decode()}"


def check_host_key(target: Target, shown: str) -> None:
    """Refuse a server that is not the one we know."""
    pinned = [" ".join(line.split()[:2]) for line in target.host_keys]
    if shown in pinned:
        return
    wanted = " or ".join(keys.fingerprint(line) for line in pinned)
    raise HostRefused(
        "ssh_host_key_changed",
        f"The server at {target.host}:{target.port} shows the host key {keys.fingerprint(shown)}, but "
        f"{wanted} was confirmed. Either it was set up anew, or somebody stands between. Nothing was sent.",
    )


def sign_in(target: Target, transport: paramiko.Transport) -> None:
    """Prove who we are, with the one key of this server."""
    key = _client_key(target)
    try:
        still_wanted = transport.auth_publickey(target.user, key)
    except paramiko.AuthenticationException as error:
        # A connection that went or fell silent meanwhile says nothing about the key.
        if not transport.is_active() or "timeout" in str(error).lower():
            raise HostTimeout(f"{target.host} did not answer while we signed in.") from error
        raise _not_let_in(target) from error
    except (paramiko.SSHException, EOFError, OSError) as error:
        raise HostError(f"The connection to {target.host} broke while we signed in.") from error
    if still_wanted:
        raise _not_let_in(target, f" It wants {', '.join(still_wanted)} besides.")
    transport.set_keepalive(KEEPALIVE_SECONDS)


def _client_key(target: Target) -> paramiko.PKey:
    try:
        return keys.as_paramiko(target.private_key)
    except ValidationError as error:
        raise HostRefused("ssh_auth_failed", f"Our key for {target}: {' '.join(error.messages)}") from error


def _not_let_in(target: Target, more: str = "") -> HostRefused:
    mine = keys.fingerprint(keys.public_half(target.private_key))
    return HostRefused(
        "ssh_auth_failed",
        f"{target.host} does not let {target.user} in with our key {mine}.{more} Put its public half into "
        f"~{target.user}/.ssh/authorized_keys there.",
    )


def _by_preference(known: tuple[str, ...], host_keys: tuple[str, ...]) -> tuple[str, ...]:
    kinds = {line.split()[0] for line in host_keys}
    if "ssh-rsa" in kinds:
        kinds |= {"rsa-sha2-512", "rsa-sha2-256"}
    return tuple(sorted(known, key=lambda kind: kind not in kinds))


@contextmanager
def _dialling(host: str, port: int, timeout: float) -> Iterator[None]:
    try:
        yield
    except ConnectionRefusedError as error:
        raise HostError(f"Nothing listens on port {port} of {host}.") from error
    except TimeoutError as error:
        raise HostTimeout(
            f"{host} did not answer on port {port} within {timeout:g} seconds; a firewall may be closed."
        ) from error
    except OSError as error:
        raise HostError(f"{host} cannot be reached on port {port}: {error.strerror or error}.") from error


def _reason(error: Exception) -> str:
    if isinstance(error, EOFError):
        return "it closed the connection"
    return str(error).rstrip(".") or type(error).__name__
