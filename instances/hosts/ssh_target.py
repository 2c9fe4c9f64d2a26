"""Which server is meant, and as whom it is entered."""

from dataclasses import dataclass

from portal.core.secrets import Secret


@dataclass(frozen=True)
class Target:
    """A server, the key that opens it, and the host keys by which it is known (`ssh-ed25519 AAAA…`)."""

    host: str
    port: int
    user: str
    private_key: Secret
    host_keys: tuple[str, ...]
    # The server through which it is reached.
    jump: "Target | None" = None

    def __str__(self) -> str:
        return f"{self.user}@{self.host}:{self.port}"
