"""The addresses of applications, environments and deployments."""

from django.urls import URLPattern

from deployments.views import (
    applications,
    compare,
    deploy,
    deployments,
    environment_settings,
    environments,
    on_instance,
    planning,
    running,
)
from portal.core.pages import page

urlpatterns: list[URLPattern] = [
    page("deploy/", deploy.deploy, "deploy"),
    page("deploy/check/", deploy.deploy_check, "deploy-check"),
    page("deploy/plan/", planning.deploy_plan, "deploy-plan"),
    page("deploy/example/", deploy.deploy_example, "deploy-example"),
    page("applications/", applications.application_list, "applications"),
    page("applications/<str:name>/", applications.application, "application"),
    page("applications/<str:name>/settings/", applications.application_settings, "application-settings"),
    page("applications/<str:name>/delete/", applications.application_delete, "application-delete"),
    page("applications/<str:name>/environments/", applications.environment_create, "environment-create"),
    page(
        "applications/<str:name>/<str:environment>/deploy/",
        environments.environment_deploy,
        "environment-deploy",
    ),
    page(
        "applications/<str:name>/<str:environment>/stop/", environments.environment_stop, "environment-stop"
    ),
    page(
        "applications/<str:name>/<str:environment>/start/",
        environments.environment_start,
        "environment-start",
    ),
    page(
        "applications/<str:name>/<str:environment>/restart/",
        environments.environment_restart,
        "environment-restart",
    ),
    page(
        "applications/<str:name>/<str:environment>/replace/",
        environments.environment_replace,
        "environment-replace",
    ),
    page(
        "applications/<str:name>/<str:environment>/rollback/<int:number>/",
        environments.environment_rollback,
        "environment-rollback",
    ),
    page(
        "applications/<str:name>/<str:environment>/settings/",
        environment_settings.environment_settings,
        "environment-settings",
    ),
    page(
        "applications/<str:name>/<str:environment>/releases/<int:number>/protect/",
        environments.release_protect,
        "release-protect",
    ),
    page(
        "applications/<str:name>/<str:environment>/releases/<int:number>/unprotect/",
        environments.release_unprotect,
        "release-unprotect",
    ),
    page("applications/<str:name>/<str:environment>/variables/", environments.variable_set, "variable-set"),
    page(
        "applications/<str:name>/<str:environment>/variables/<str:key>/remove/",
        environments.variable_remove,
        "variable-remove",
    ),
    page("applications/<str:name>/<str:environment>/log/", running.running_log, "environment-log"),
    page(
        "applications/<str:name>/<str:environment>/log/lines/", running.running_lines, "environment-log-lines"
    ),
    page("applications/<str:name>/<str:environment>/log.txt", running.running_text, "environment-log-text"),
    page(
        "applications/<str:name>/<str:environment>/log/<str:kind>/",
        running.proxy_log,
        "environment-proxy-log",
    ),
    page("applications/<str:name>/<str:environment>/commands/", running.commands, "environment-commands"),
    page(
        "applications/<str:name>/<str:environment>/commands/<str:run>/",
        running.command_run,
        "environment-command",
    ),
    page("instances/<str:name>/containers/", on_instance.instance_containers, "instance-containers"),
    page("instances/<str:name>/clean/", on_instance.instance_clean, "instance-clean"),
    page("deployments/", deployments.deployment_list, "deployments"),
    page("deployments/<str:identifier>/", deployments.deployment, "deployment"),
    page("deployments/<str:identifier>/steps/", deployments.deployment_steps, "deployment-steps"),
    page("deployments/<str:identifier>/compare/", compare.deployment_compare, "deployment-compare"),
    page("deployments/<str:identifier>/cancel/", deployments.deployment_cancel, "deployment-cancel"),
    page("deployments/<str:identifier>/retry/", deployments.deployment_retry, "deployment-retry"),
    page("deployments/<str:identifier>/redeploy/", deployments.deployment_redeploy, "deployment-redeploy"),
    page("deployments/<str:identifier>/rollback/", deployments.deployment_rollback, "deployment-rollback"),
]
