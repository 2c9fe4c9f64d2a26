"""The addresses of instances."""

from django.urls import URLPattern

from instances.views import adding, connecting, lists, one
from portal.core.pages import page

ONE = "instances/<str:name>/"

urlpatterns: list[URLPattern] = [
    page("instances/", lists.instance_list, "instances"),
    page("instances/sync/", lists.instance_sync, "instance-sync"),
    page("instances/add/", adding.add_server, "instance-add"),
    page("instances/add/ec2/", adding.add_ec2, "instance-add-ec2"),
    page("instances/add/ec2/price/", adding.add_price, "instance-add-price"),
    page("instances/add/ec2/subnets/", adding.add_subnets, "instance-add-subnets"),
    page("instances/bootstrap.sh", connecting.bootstrap_script, "instance-bootstrap"),
    page("instances/policy.json", connecting.iam_policy, "instance-policy"),
    page("instances/orphans/<str:identifier>/adopt/", lists.orphan_adopt, "orphan-adopt"),
    page("instances/orphans/<str:identifier>/delete/", lists.orphan_delete, "orphan-delete"),
    page(ONE, one.instance, "instance"),
    page(f"{ONE}settings/", one.instance_settings, "instance-settings"),
    page(f"{ONE}create/", one.instance_create, "instance-create"),
    page(f"{ONE}start/", one.instance_start, "instance-start"),
    page(f"{ONE}stop/", one.instance_stop, "instance-stop"),
    page(f"{ONE}reboot/", one.instance_reboot, "instance-reboot"),
    page(f"{ONE}drain/", one.instance_drain, "instance-drain"),
    page(f"{ONE}undrain/", one.instance_undrain, "instance-undrain"),
    page(f"{ONE}terminate/", one.instance_terminate, "instance-terminate"),
    page(f"{ONE}forget/", one.instance_forget, "instance-forget"),
    page(f"{ONE}host-key/", connecting.host_key, "instance-host-key"),
    page(f"{ONE}host-key/confirm/", connecting.host_key_confirm, "instance-host-key-confirm"),
    page(f"{ONE}host-key/propose/", connecting.host_key_propose, "instance-host-key-propose"),
    page(f"{ONE}host-key/decide/", connecting.host_key_decide, "instance-host-key-decide"),
    page(f"{ONE}key/replace/", connecting.key_replace, "instance-key-replace"),
    page(f"{ONE}validate/", connecting.validate, "instance-validate"),
]
