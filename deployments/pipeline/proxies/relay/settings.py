"""What the proxy was told when it was started."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Settings:
    """Where it keeps its things, where it listens, and how long it waits."""

    directory: Path
    bind: str = "127.0.0.1"
    strip_cookies: frozenset[bytes] = frozenset()
    connect_seconds: float = 2
    head_seconds: float = 60
    idle_seconds: float = 60
    keep_alive_seconds: float = 75
    tunnel_idle_seconds: float = 3600
    drain_seconds: float = 10

    @property
    def told(self) -> dict[str, object]:
        """What the portal decides; a proxy that was told otherwise is replaced."""
        return {"bind": self.bind, "strip_cookies": sorted(name.decode() for name in self.strip_cookies)}

    @property
    def addresses(self) -> list[str]:
        """Loopback is always served: the portal's own health checks come from there."""
        if self.bind in ("0.0.0.0", "::", "127.0.0.1"):  # noqa: S104
            return [self.bind]
        return [self.bind, "127.0.0.1"]
