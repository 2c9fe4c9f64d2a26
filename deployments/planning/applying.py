"""Starting what was planned, while it is still as it was shown."""

from typing import Any

from deployments import actions, plan_hashes
from deployments.actions import Started
from deployments.planning.making import mark_now
from portal.core.errors import ActionDenied, Invalid


def deploy_planned(*, plan_hash: str, **wish: Any) -> Started:
    """Deploy as planned; refused with what has changed since. The first step compares the commit once more."""
    if not plan_hashes.is_mark(plan_hash):
        raise Invalid({"plan_hash": "This is no hash of a plan. Send the one that the plan came with."})
    changed = plan_hashes.changed(plan_hash, mark_now(**wish))
    if changed:
        raise ActionDenied(
            f"Since the plan was made, this has changed: {', '.join(changed)}. Look at a new plan first.",
            code="plan_changed",
        )
    options = {**(wish.pop("options", None) or {}), "plan_hash": plan_hash}
    return actions.deploy_url(options=options, **wish)
