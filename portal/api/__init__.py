"""What every endpoint shares: who asks, what they may, how input is read, and how errors look.

The names below stand in `REST_FRAMEWORK`. Nothing here but `urls` and `portal_views` knows the apps.
"""

from portal.api.authentication import SessionAuthentication, TokenAuthentication
from portal.api.errors import problem_handler
from portal.api.parsing import StrictJSONParser
from portal.api.permissions import HasScope
from portal.api.throttling import TokenThrottle

__all__ = [
    "HasScope",
    "SessionAuthentication",
    "StrictJSONParser",
    "TokenAuthentication",
    "TokenThrottle",
    "problem_handler",
]
