"""The addresses of instances in the API."""

from instances.api import machines, orphans, reaching
from portal.api.routes import route

urlpatterns = [
    route("instances", machines.Instances.as_view(), "instances"),
    route("instances/sync", machines.Sync.as_view(), "instances-sync"),
    route("instances/policy", machines.Policy.as_view(), "instances-policy"),
    route("instances/bootstrap", machines.Bootstrap.as_view(), "instances-bootstrap"),
    route("instances/orphans", orphans.Orphans.as_view(), "orphans"),
    route("instances/orphans/<identifier>/adopt", orphans.Adopt.as_view(), "orphan-adopt"),
    route("instances/orphans/<identifier>/delete", orphans.Delete.as_view(), "orphan-delete"),
    route("instances/<identifier>", machines.OneInstance.as_view(), "instance"),
    route("instances/<identifier>/create", machines.CreateNow.as_view(), "instance-create"),
    route("instances/<identifier>/start", machines.Start.as_view(), "instance-start"),
    route("instances/<identifier>/stop", machines.Stop.as_view(), "instance-stop"),
    route("instances/<identifier>/reboot", machines.Reboot.as_view(), "instance-reboot"),
    route("instances/<identifier>/drain", machines.Drain.as_view(), "instance-drain"),
    route("instances/<identifier>/undrain", machines.Undrain.as_view(), "instance-undrain"),
    route("instances/<identifier>/terminate", machines.Terminate.as_view(), "instance-terminate"),
    route("instances/<identifier>/validate", reaching.Validate.as_view(), "instance-validate"),
    route("instances/<identifier>/host-key", reaching.HostKey.as_view(), "instance-host-key"),
    route(
        "instances/<identifier>/host-key/decision",
        reaching.HostKeyDecision.as_view(),
        "instance-key-decision",
    ),
]
