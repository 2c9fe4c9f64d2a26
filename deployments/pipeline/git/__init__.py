"""git, run on a host without any configuration, hook, prompt or protocol that was not asked for."""

from deployments.pipeline.git.failures import GitFailed, classify
from deployments.pipeline.git.refs import RemoteRefs, parse_ls_remote
from deployments.pipeline.git.remote import Remote, remote_for, secrets_of
from deployments.pipeline.git.runner import (
    Inspection,
    can_have_suffix,
    ensure_example,
    inspect,
    look,
    read_inspection,
)
from deployments.pipeline.git.scripts import (
    checkout_script,
    inspect_script,
    is_clean_script,
    list_script,
    resolve_script,
)

__all__ = [
    "GitFailed",
    "Inspection",
    "Remote",
    "RemoteRefs",
    "can_have_suffix",
    "checkout_script",
    "classify",
    "ensure_example",
    "inspect",
    "inspect_script",
    "is_clean_script",
    "list_script",
    "look",
    "parse_ls_remote",
    "read_inspection",
    "remote_for",
    "resolve_script",
    "secrets_of",
]
