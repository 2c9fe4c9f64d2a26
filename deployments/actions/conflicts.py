"""Where actions of deployments find the way out of conflicts."""

from portal.core.conflicts import atomic_again

__all__ = ["atomic_again"]
