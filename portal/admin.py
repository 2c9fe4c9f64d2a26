"""The admin site: stock Django admin under our own skin, with models grouped as people think of them."""

from typing import Any

from django.contrib.admin import AdminSite
from django.contrib.admin.apps import AdminConfig
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.http import urlencode

# Rights are per team and checked in rules, so Django's groups have no use here; what the queue and the
# login guard keep is shown by the doctor and by the audit log.
HIDDEN_APPS = {"django_q", "axes", "auth"}

GROUPS = {
    "Operate": ["Application", "Environment", "Deployment", "Release", "Instance"],
    "Access": ["User", "Team", "Token", "AuditEvent"],
}


class PortalAdminSite(AdminSite):
    """One site, one sign-in, one navigation with the portal's pages."""

    site_header = site_title = "Portal"
    index_title = "Admin"
    enable_nav_sidebar = False

    def register(self, model_or_iterable: Any, admin_class: Any = None, **options: Any) -> None:
        models: list[Any] = (
            [model_or_iterable] if isinstance(model_or_iterable, type) else list(model_or_iterable)
        )
        ours = [model for model in models if model._meta.app_label not in HIDDEN_APPS]
        super().register(ours, admin_class, **options)

    def login(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        """The portal's own sign-in; somebody who is signed in and still lands here lacks staff access."""
        if request.user.is_authenticated:
            return redirect("overview")
        return redirect(
            f"{reverse('login')}?{urlencode({'next': request.GET.get('next', reverse('admin:index'))})}"
        )

    def get_app_list(self, request: HttpRequest, app_label: str | None = None) -> list[Any]:
        apps = super().get_app_list(request, app_label)
        if app_label is not None:
            return apps
        models = {model["object_name"]: model for app in apps for model in app["models"]}
        return [
            _group(title, [models[name] for name in names if name in models])
            for title, names in GROUPS.items()
        ]


def _group(title: str, models: list[Any]) -> dict[str, Any]:
    return {
        "name": title,
        "app_label": title.lower(),
        "app_url": models[0]["admin_url"] if models else reverse("admin:index"),
        "has_module_perms": True,
        "models": models,
    }


class PortalAdminConfig(AdminConfig):
    """Puts our site in the place of Django's."""

    default_site = "portal.admin.PortalAdminSite"
