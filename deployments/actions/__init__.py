"""The doors through which applications, environments and deployments change.

Each checks the rule, writes the rows and the audit event in one transaction, and queues work.
"""

from deployments.actions.applications import create_application, delete_application, update_application
from deployments.actions.deploying import deploy_url
from deployments.actions.deployments import Started, cancel, redeploy, retry, rollback, start
from deployments.actions.environments import create_environment, update_environment
from deployments.actions.operations import restart_environment, start_environment, stop_environment
from deployments.actions.releases import protect_release
from deployments.actions.replacing import replace_machine
from deployments.actions.variables import remove_variable, set_variable

__all__ = [
    "Started",
    "cancel",
    "create_application",
    "create_environment",
    "delete_application",
    "deploy_url",
    "protect_release",
    "redeploy",
    "remove_variable",
    "replace_machine",
    "restart_environment",
    "retry",
    "rollback",
    "set_variable",
    "start",
    "start_environment",
    "stop_environment",
    "update_application",
    "update_environment",
]
