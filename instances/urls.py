"""The addresses of instances."""

from django.urls import URLPattern

from instances import views
from portal.core.pages import page

urlpatterns: list[URLPattern] = [
    page("instances/", views.instance_list, "instances"),
    page("instances/<str:name>/", views.instance, "instance"),
]
