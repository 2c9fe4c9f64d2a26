"""What each field may hold; used by the models, so that form, API, admin and commands refuse alike."""

from deployments.inputs.basic_auth import parse_basic_auth
from deployments.inputs.build_args import parse_build_args
from deployments.inputs.commands import check_command, parse_command, parse_hooks
from deployments.inputs.git_urls import (
    check_git_url,
    is_example_url,
    is_local_only,
    normalise_git_url,
    suggest_app_name,
)
from deployments.inputs.hostnames import parse_hostname, parse_hostnames, split_lines
from deployments.inputs.images import check_image
from deployments.inputs.names import (
    check_app_name,
    check_environment_name,
    check_variable_name,
    check_variable_value,
)
from deployments.inputs.paths import (
    check_context_path,
    check_dockerfile_path,
    check_health_path,
    check_path_prefix,
)
from deployments.inputs.ports import check_public_port, parse_container_port, parse_host_port, parse_port
from deployments.inputs.refs import check_branch, is_commit
from portal.core.addresses import check_ssh_host

__all__ = [
    "check_app_name",
    "check_branch",
    "check_command",
    "check_context_path",
    "check_dockerfile_path",
    "check_environment_name",
    "check_git_url",
    "check_health_path",
    "check_image",
    "check_path_prefix",
    "check_public_port",
    "check_ssh_host",
    "check_variable_name",
    "check_variable_value",
    "is_commit",
    "is_example_url",
    "is_local_only",
    "normalise_git_url",
    "parse_basic_auth",
    "parse_build_args",
    "parse_command",
    "parse_container_port",
    "parse_hooks",
    "parse_host_port",
    "parse_hostname",
    "parse_hostnames",
    "parse_port",
    "split_lines",
    "suggest_app_name",
]
