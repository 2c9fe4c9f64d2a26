"""Small programs put in front of the PATH of RUN lines: what is skipped, and what is refused after all."""

from __future__ import annotations

import os
from pathlib import Path

from deployments.pipeline.runtimes.process_build.check import PACKAGE_MANAGERS, SYSTEM_TOOLS

# The application runs as a user of its own whatever these say.
SKIPPED = (
    "addgroup", "adduser", "chgrp", "chown", "chpasswd", "delgroup", "deluser", "groupadd", "groupdel", "groupmod", "ldconfig",
    "passwd", "setcap", "setfacl", "useradd", "userdel", "usermod",
)  # fmt: skip
SKIP = '#!/bin/sh\necho "[portal] {name} is skipped: the application runs as a user of its own."\n'
REFUSE = """#!/bin/sh
echo "[portal] {name} cannot be carried out here." >&2
echo {name} >"$PORTAL_REFUSED"
exit 97
"""


class Shims:
    """The folder of these programs, and the note that a refused one leaves."""

    def __init__(self, folder: str) -> None:
        self.folder = folder
        self.note = Path(folder) / "refused"

    def make(self) -> None:
        os.makedirs(self.folder, exist_ok=True)
        for names, text in ((SKIPPED, SKIP), ((*PACKAGE_MANAGERS, *SYSTEM_TOOLS), REFUSE)):
            for name in names:
                script = Path(self.folder) / name
                script.write_text(text.format(name=name))
                script.chmod(0o755)

    def refused(self) -> str:
        """The name of the refused program that was called since the last look; empty when there was none."""
        if not self.note.exists():
            return ""
        name = self.note.read_text(errors="replace").strip()[:100]
        self.note.unlink()
        return name or "a command"
