"""Addresses that an answer names: absolute, so that a client can follow them as they are."""

from typing import Any

from django.conf import settings
from django.http import HttpRequest
from django.urls import reverse
from rest_framework.request import Request


def absolute(request: HttpRequest | Request, path: str) -> str:
    """A path of the portal as a whole URL, under the public name of the portal if it has one."""
    if settings.PUBLIC_URL:
        return f"{settings.PUBLIC_URL}{path}"
    return request.build_absolute_uri(path)


def api_link(request: HttpRequest | Request, name: str, *args: Any) -> str:
    """The address of an endpoint."""
    return absolute(request, reverse(f"api:{name}", args=args))


def socket_link(request: HttpRequest | Request, path: str) -> str:
    """The same for a WebSocket."""
    return "ws" + absolute(request, path).removeprefix("http")
