"""The job that runs one command in a container: its output cut, its time limited, its exit code kept."""

import shlex
import time

from deployments.pipeline import commands
from instances.hosts.base import Host

DEADLINE_SECONDS = 60
OUTPUT_BYTES = 64 * 1024
CUT_MARK = "\n… (cut after 64 KiB)\n"
WATCH_SECONDS = 2.0
TIMED_OUT = (124, 137)

# Ended inside, since ending the client leaves the command running; where the image has no `timeout`
# only the client is ended.
INSIDE = (
    f'if command -v timeout >/dev/null 2>&1; then exec timeout -k 5 {DEADLINE_SECONDS} sh -c "$1"; fi; '
    'exec sh -c "$1"'
)
# One byte more than is kept tells that there was more; the rest is read and dropped, so that the
# command does not die of a closed pipe.
SCRIPT = """
exec 3>&1
code=$({{ {{ {command} 2>&1; echo "$?" >&4; }} | {{ head -c {limit} >&3; cat >/dev/null; }} }} 4>&1)
exit "${{code:-1}}"
"""


def job_id(run: str) -> str:
    """The same for every look at one command."""
    return f"one-off-{run}"


def script(container: str, command: str) -> str:
    """What the host runs; each value is one quoted word."""
    inside = ["sh", "-c", INSIDE, "sh", command]
    argv = ["docker", "exec", commands.check_container(container), *inside]
    words = ["timeout", "-k", "5", str(DEADLINE_SECONDS + 10), *argv]
    return SCRIPT.format(command=shlex.join(words), limit=OUTPUT_BYTES + 1)


def watch(host: Host, job: str) -> tuple[str, int | None]:
    """Look for a moment, since most commands are short: all output so far, and the exit code at the end."""
    until = time.monotonic() + WATCH_SECONDS
    raw = b""
    while True:
        state = host.poll_job(job, len(raw))
        raw += state.output
        if state.code is not None or time.monotonic() > until:
            return _text(raw), state.code
        time.sleep(0.1)


def remark(code: int) -> str:
    """What an exit code means that came from us."""
    return f"It took longer than {DEADLINE_SECONDS} seconds and was ended." if code in TIMED_OUT else ""


def _text(raw: bytes) -> str:
    kept = raw[:OUTPUT_BYTES].decode(errors="replace").replace("\x00", "\ufffd")
    return kept + CUT_MARK if len(raw) > OUTPUT_BYTES else kept
