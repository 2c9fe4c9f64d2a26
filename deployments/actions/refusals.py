"""Where actions of deployments find the record of refusals."""

from portal.core.refusals import audited

__all__ = ["audited"]
