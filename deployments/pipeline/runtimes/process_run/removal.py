"""Takes containers and images away, with all that belongs to them."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

from deployments.pipeline.runtimes.process_build.images import Images
from deployments.pipeline.runtimes.process_run import processes, state

REMOVE_SECONDS = 5.0


def remove(root: str, name: str) -> int:
    """Kill whatever is left of a container and delete its folder, and its image when that was given up."""
    folder = Path(root) / "containers" / name
    spec = state.read(folder / "spec.json")
    if not processes.end(lambda: _living(folder), seconds=REMOVE_SECONDS):
        print(f"Processes {_living(folder)} do not end.", file=sys.stderr)
        return 1
    shutil.rmtree(folder, ignore_errors=True)
    if spec is not None:
        Images(root).clear_up(spec["image"])
    return 0


def remove_image(root: str, image: str) -> int:
    """Delete an image; its folder stays as long as a container stands on it."""
    Images(root).remove(image)
    return 0


def _living(folder: Path) -> list[int]:
    """The application's processes and their supervisor, as far as they still run."""
    facts = state.read(folder / "state.json")
    if facts is None or facts["boot"] != processes.boot():
        return []
    born = processes.born(facts["pid"])
    if born not in ("", facts["born"]):
        # The number belongs to somebody else by now, so nothing of the session is left.
        return []
    return processes.members(facts["pid"]) + ([facts["pid"]] if born else [])
