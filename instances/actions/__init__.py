"""The doors through which an instance changes.

Each checks the rule, writes the rows and the audit event in one transaction, and wakes the fleet.
AWS and servers are asked by the fleet's turns, never inside a request; the one exception is
`validate`, which connects to one server with a deadline.
"""

from instances.actions.changing import drain, forget, undrain, update_instance
from instances.actions.host_keys import (
    confirm_host_key,
    confirm_key_change,
    propose_host_key,
    refuse_key_change,
    replace_key,
)
from instances.actions.inspecting import validate
from instances.actions.local import ensure_local_instance
from instances.actions.making import create_ec2, create_now, register_server
from instances.actions.orphans import adopt, delete_orphan
from instances.actions.power import reboot, start, stop, terminate
from instances.actions.syncing import sync

__all__ = [
    "adopt",
    "confirm_host_key",
    "confirm_key_change",
    "create_ec2",
    "create_now",
    "delete_orphan",
    "drain",
    "ensure_local_instance",
    "forget",
    "propose_host_key",
    "reboot",
    "refuse_key_change",
    "register_server",
    "replace_key",
    "start",
    "stop",
    "sync",
    "terminate",
    "undrain",
    "update_instance",
    "validate",
]
