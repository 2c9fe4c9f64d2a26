"""Looks at containers from outside: what runs, how it ended, what was written."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from deployments.pipeline.runtimes.process_run import processes, state
from deployments.pipeline.runtimes.process_run.logfile import tail

REMOVE_SECONDS = 5.0


def look(root: str, names: list[str]) -> int:
    """Print what is known of these containers, or of all, as JSON."""
    folder = Path(root) / "containers"
    wanted = names or sorted(each.name for each in folder.glob("*") if each.is_dir())
    found = [seen for name in wanted if (seen := _look(folder / name))]
    print(json.dumps(found))
    return 0


def logs(root: str, name: str, lines: str) -> int:
    """Print the last lines that a container wrote."""
    sys.stdout.buffer.write(tail(Path(root) / "containers" / name, int(lines)))
    return 0


def _look(folder: Path) -> dict[str, Any] | None:
    spec = state.read(folder / "spec.json")
    if spec is None:
        return None
    facts = state.read(folder / "state.json") or {}
    # The state of an earlier start says nothing about this one.
    began = facts.get("generation") == spec["generation"]
    running = began and facts["exit_code"] is None and _is_alive(facts)
    return {
        **{
            key: spec[key]
            for key in ("name", "image", "host_port", "labels", "generation", "stamp", "folder")
        },
        "began": began,
        "running": running,
        "exit_code": facts["exit_code"] if began else None,
        "out_of_memory": began and facts["out_of_memory"],
        "listening": processes.listening(processes.members(facts["pid"])) if running else [],
    }


def _is_alive(facts: dict[str, Any]) -> bool:
    return bool(facts["boot"] == processes.boot() and processes.born(facts["pid"]) == facts["born"])
