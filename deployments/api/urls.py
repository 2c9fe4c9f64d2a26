"""The addresses of deployments and applications, below the API's root."""

from deployments.api import applications, deployments, explain, logs, stats, variables
from portal.api.routes import route

urlpatterns = [
    route("deployments", deployments.Deployments.as_view(), "deployments"),
    # The older address of the same door.
    route("deploy", deployments.Deploy.as_view(), "deploy"),
    route("deployments/<identifier>", deployments.OneDeployment.as_view(), "deployment"),
    route("deployments/<identifier>/logs", logs.Logs.as_view(), "deployment-logs"),
    route("deployments/<identifier>/explain", explain.Explain.as_view(), "deployment-explain"),
    route("deployments/<identifier>/cancel", deployments.Cancel.as_view(), "deployment-cancel"),
    route("deployments/<identifier>/retry", deployments.Retry.as_view(), "deployment-retry"),
    route("deployments/<identifier>/redeploy", deployments.Redeploy.as_view(), "deployment-redeploy"),
    route("deployments/<identifier>/rollback", deployments.Rollback.as_view(), "deployment-rollback"),
    route("applications", applications.Applications.as_view(), "applications"),
    route("applications/<identifier>", applications.OneApplication.as_view(), "application"),
    route("applications/<identifier>/env", variables.Variables.as_view(), "application-env"),
    route("applications/<identifier>/start", applications.StartIt.as_view(), "application-start"),
    route("applications/<identifier>/stop", applications.StopIt.as_view(), "application-stop"),
    route("applications/<identifier>/restart", applications.RestartIt.as_view(), "application-restart"),
    route("stats", stats.Stats.as_view(), "stats"),
]
