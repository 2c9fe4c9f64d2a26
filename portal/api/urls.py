"""The API's addresses: one implementation under /api/v1/, and the same under /api/."""

from django.urls import URLPattern, URLResolver, include, path, re_path

from deployments.api.urls import urlpatterns as deployments
from instances.api import urlpatterns as instances
from portal import health
from portal.api import portal_views
from portal.api.routes import route

endpoints: list[URLPattern] = [
    *deployments,
    *instances,
    route("config/validate", portal_views.ValidateConfig.as_view(), "config-validate"),
    route("schema", portal_views.SchemaView.as_view(), "schema"),
    route("health", health.health, "health"),
]

urlpatterns: list[URLPattern | URLResolver] = [
    path("api/v1/", include((endpoints, "api"), namespace="api")),
    path("api/", include((endpoints, "api"), namespace="api-unversioned")),
    re_path(r"^api(?:/[\s\S]*)?\Z", portal_views.UnknownAddress.as_view()),
    re_path(r"^docs/?\Z", portal_views.docs, name="api-docs"),
]
