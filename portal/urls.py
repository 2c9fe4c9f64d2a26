"""Every address of the portal."""

from django.contrib import admin
from django.contrib.auth.views import LogoutView
from django.urls import URLPattern, URLResolver, include, path

from deployments.logs import views as logs
from portal import health, views
from portal.core.pages import page

handler400 = "portal.views.bad_request"
handler403 = "portal.views.permission_denied"
handler404 = "portal.views.page_not_found"
handler500 = "portal.views.server_error"

urlpatterns: list[URLPattern | URLResolver] = [
    path("", views.root, name="overview"),
    path("login/", views.Login.as_view(), name="login"),
    path("logout/", LogoutView.as_view(), name="logout"),
    page("account/password/", views.ChangePassword.as_view(), "password-change"),
    page("account/tokens/", views.token_list, "tokens"),
    page("account/tokens/<int:pk>/revoke/", views.token_revoke, "token-revoke"),
    page("system/", views.system, "system"),
    page("deployments/<str:identifier>/log", logs.log_json, "deployment-log"),
    page("deployments/<str:identifier>/log.txt", logs.log_text, "deployment-log-text"),
    path("", include("deployments.urls")),
    path("", include("instances.urls")),
    path("", include("portal.api.urls")),
    path("livez", health.livez, name="livez"),
    path("readyz", health.readyz, name="readyz"),
    path("healthz", health.readyz, name="healthz"),
    path("health", health.health, name="health"),
    path("admin/", admin.site.urls),
]
