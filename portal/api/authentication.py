"""Who asks: a machine with a token in one header, or a signed-in browser with its CSRF token."""

import re
from typing import Any

from rest_framework import authentication
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.request import Request

from portal.core import audit, tokens
from portal.core.models import Token, User

# One header, one value, one space: two headers arrive joined by a comma and do not match either.
HEADER = re.compile(r"(?:bearer|token) (portal_[A-Za-z0-9_-]{1,160})", re.ASCII | re.IGNORECASE)
REFUSAL = "The token is not valid: it is unknown, expired or revoked, or its owner is disabled."
WRONG_HEADER = "Send one header `Authorization: Bearer portal_…` with the text of one token."


class TokenAuthentication(authentication.BaseAuthentication):
    """`Authorization: Bearer portal_…`, or `Token portal_…`; whatever else is in the header is refused."""

    def authenticate(self, request: Request) -> tuple[User, Token] | None:
        header = request.META.get("HTTP_AUTHORIZATION")
        if header is None:
            return None
        match = HEADER.fullmatch(header)
        if match is None:
            raise AuthenticationFailed(WRONG_HEADER, code="bad_authorization_header")
        try:
            token = tokens.verify(match[1])
        except tokens.Refused:
            raise AuthenticationFailed(REFUSAL, code="invalid_token") from None
        address = audit.current_origin().address
        tokens.note_use(token, address=address)
        audit.set_origin(surface="api", address=address, token=token.identifier)
        return token.user, token

    def authenticate_header(self, request: Request) -> str:
        return "Bearer"


class SessionAuthentication(authentication.SessionAuthentication):
    """The session of a signed-in browser; whatever changes something needs the CSRF token."""

    def authenticate(self, request: Request) -> tuple[Any, None] | None:
        found: tuple[Any, None] | None = super().authenticate(request)
        return found
