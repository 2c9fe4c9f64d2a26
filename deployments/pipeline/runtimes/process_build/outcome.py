"""How a build tells the portal why it ended: an exit code, and a last line that begins with a mark."""

from __future__ import annotations

from deployments.pipeline.runtimes.process_build.stages import say

FAILED = 1
COMMAND_FAILED = 90
INVALID = 91
CANNOT = 92
DISK_FULL = 93
MARK = "[portal] failed: "


def fail(code: int, why: str) -> int:
    """Say why, and return the code to exit with."""
    say(MARK + " ".join(why.split()))
    return code


def reason(output: str) -> str:
    """What the last marked line of a build's output says."""
    for line in reversed(output.splitlines()):
        if line.startswith(MARK):
            return line.removeprefix(MARK)
    return ""
