"""The addresses of deployments and applications, below the API's root."""

from deployments.api import (
    applications,
    compare,
    deployments,
    environments,
    explain,
    logs,
    releases,
    running,
    stats,
    variables,
)
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
    route("deployments/<identifier>/compare", compare.Compare.as_view(), "deployment-compare"),
    route("applications", applications.Applications.as_view(), "applications"),
    route("applications/<identifier>", applications.OneApplication.as_view(), "application"),
    route("applications/<identifier>/env", variables.Variables.as_view(), "application-env"),
    route("applications/<identifier>/start", applications.StartIt.as_view(), "application-start"),
    route("applications/<identifier>/stop", applications.StopIt.as_view(), "application-stop"),
    route("applications/<identifier>/restart", applications.RestartIt.as_view(), "application-restart"),
    route(
        "applications/<identifier>/environments",
        environments.Environments.as_view(),
        "application-environments",
    ),
    route(
        "applications/<identifier>/environments/<place>",
        environments.OneEnvironment.as_view(),
        "application-environment",
    ),
    route("applications/<identifier>/environments/<place>/logs", running.RunningLog.as_view(), "running-log"),
    route(
        "applications/<identifier>/environments/<place>/exec",
        running.Commands.as_view(),
        "application-environment-commands",
    ),
    route(
        "applications/<identifier>/environments/<place>/exec/<run>",
        running.OneCommand.as_view(),
        "application-environment-command",
    ),
    route("applications/<identifier>/releases", releases.Releases.as_view(), "application-releases"),
    route(
        "applications/<identifier>/releases/<release>", releases.OneRelease.as_view(), "application-release"
    ),
    route("stats", stats.Stats.as_view(), "stats"),
]
