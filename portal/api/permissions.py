"""What a token may do at all; what its owner may do is for the rules of each action."""

from typing import Any

from rest_framework.exceptions import NotAuthenticated, PermissionDenied
from rest_framework.permissions import SAFE_METHODS, BasePermission
from rest_framework.request import Request

from portal.core import tokens
from portal.core.models import Token

# The scope that a method needs, unless its view says otherwise.
LOOK = "read"
CHANGE = "deploy"


def needed_scope(view: Any, method: str) -> str:
    """The scope a token needs for this method of this view."""
    declared: dict[str, str] = getattr(view, "scopes", {})
    return declared.get(method, LOOK if method in SAFE_METHODS else CHANGE)


class HasScope(BasePermission):
    """Signed in; and a token must have the scope that the view names for the method."""

    def has_permission(self, request: Request, view: Any) -> bool:
        if not request.user.is_authenticated:
            raise NotAuthenticated("Sign in, or send a token.")
        scope = needed_scope(view, request.method or "GET")
        if isinstance(request.auth, Token) and not tokens.has_scope(request.auth, scope):
            raise PermissionDenied(
                f"This token may not do that: it lacks the scope {scope}.", code="scope_missing"
            )
        return True
