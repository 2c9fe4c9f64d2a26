"""What is known of a container, in files of its folder.

spec.json    how it is to run; written by the portal before each start, no values of variables
variables    the values, readable by the portal only; read and removed before the application starts
state.json   written by the supervisor: who it is, and how it ended
log, log.1   what the application wrote
tmp          its own folder for temporary files
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any


def read(path: Path) -> dict[str, Any] | None:
    """A JSON file; None when it is not there or not whole."""
    try:
        found: dict[str, Any] = json.loads(path.read_text())
    except (OSError, ValueError):
        return None
    return found


def write(path: Path, value: dict[str, Any]) -> None:
    """Write at once, readable by us only."""
    draft = path.with_name(f".{path.name}.{os.urandom(4).hex()}")
    with open(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        json.dump(value, file)
    os.replace(draft, path)


def take_variables(folder: Path, generation: int) -> dict[str, str] | None:
    """The values for this start; removed as they are read, with those of any other start."""
    path = folder / f"variables.{generation}"
    found = read(path)
    for each in folder.glob("variables.*"):
        each.unlink(missing_ok=True)
    return found
