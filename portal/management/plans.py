"""A plan in a terminal."""

import json
from dataclasses import asdict

from deployments.planning import Finding, Item, Plan
from portal.management.terminal import TerminalCommand


def print_plan(command: TerminalCommand, plan: Plan, *, as_json: bool) -> None:
    """What would be done, as text for people or as one JSON object."""
    text = json.dumps(asdict(plan), default=str) if as_json else "\n".join(_lines(plan))
    command.stdout.write(text)


def _lines(plan: Plan) -> list[str]:
    commit = f", {plan.commit[:7]} of {plan.ref}" if plan.commit else ""
    lines = [f"{plan.application}/{plan.environment} on {plan.instance}{commit}"]
    for title, items in (("Created", plan.created), ("Changed", plan.changed), ("Kept", plan.kept)):
        lines += _section(title, [_item(item) for item in items])
    lines += _section("Settings", [f"{one.name}: {one.value} ({one.source})" for one in plan.values])
    lines += _section("In the way", [_finding(one) for one in plan.blockers])
    lines += _section("Warnings", [_finding(one) for one in plan.warnings])
    cost = "not known" if plan.cost.monthly_delta is None else f"${plan.cost.monthly_delta} a month more"
    lines += ["", f"Cost: {cost}. {plan.cost.note}"]
    seconds = plan.duration.seconds
    lines.append(f"Duration: about {seconds:.0f} s." if seconds is not None else "Duration: not known yet.")
    if plan.plan_hash:
        lines.append(f"Deploy it with: --plan-hash {plan.plan_hash}")
    return lines


def _section(title: str, lines: list[str]) -> list[str]:
    return ["", title, *(f"  {line}" for line in lines)] if lines else []


def _item(item: Item) -> str:
    detail = f": {item.detail}" if item.detail else ""
    return f"{item.kind.replace('_', ' ')} {item.name}{detail}"


def _finding(finding: Finding) -> str:
    return f"{finding.message} {finding.fix}".strip()
