"""Instances for machines that talk to the portal."""

from instances.api.urls import urlpatterns

__all__ = ["urlpatterns"]
