"""A Docker engine for the tests, with the base image that our examples stand on.

    python -m tests.e2e.engine up      start the engine if one is installed, provide the base image
    python -m tests.e2e.engine down    end what `up` started
    python -m tests.e2e.engine status  exit 0 when the tests marked `docker` can run

Nothing is installed. Where the acceptance tools lie beside the checkout the base image comes from
their registry, so that no public registry is needed.
"""

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

BASE_IMAGE = "python:3.11-slim"
CLOUDBOX = Path(__file__).resolve().parents[3] / "shared" / "cloudbox" / "cloudbox"
REGISTRY = f"127.0.0.1:{os.environ.get('CLOUDBOX_REGISTRY_PORT', '5577')}"
STATE = Path(tempfile.gettempdir()) / f"portal-test-engine-{os.getuid()}"
START_SECONDS = 60
PROVIDE_SECONDS = 900


def answers() -> bool:
    """Tell whether an engine answers."""
    return _docker("version", "--format", "{{.Server.Version}}", timeout=10) is not None


def has_image(image: str) -> bool:
    """Tell whether the engine has this image."""
    return _docker("image", "inspect", image) is not None


def is_ready() -> bool:
    """Tell whether the tests can run: an engine answers and has the base image."""
    return shutil.which("docker") is not None and answers() and has_image(BASE_IMAGE)


def start() -> None:
    """Start the engine that is installed, and wait until it answers."""
    if answers():
        return
    if shutil.which("dockerd") is None:
        raise SystemExit("No Docker engine is installed (Debian: apt-get install docker.io iptables).")
    STATE.mkdir(mode=0o700, exist_ok=True)
    log = STATE / "dockerd.log"
    with log.open("ab") as out:
        process = subprocess.Popen(
            ["dockerd"], stdin=subprocess.DEVNULL, stdout=out, stderr=out, start_new_session=True
        )
    _remember(dockerd=process.pid)
    deadline = time.monotonic() + START_SECONDS
    while not answers():
        if process.poll() is not None or time.monotonic() > deadline:
            raise SystemExit(f"The Docker engine did not start:\n{log.read_text()[-2000:]}")
        time.sleep(0.3)


def provide(image: str = BASE_IMAGE) -> None:
    """Make the image available under its usual name."""
    if has_image(image):
        return
    if not CLOUDBOX.exists():
        if not _pull(image):
            raise SystemExit(f"{image} could not be pulled.")
        return
    source = f"{REGISTRY}/library/{image}"
    if not _pull(source):
        # Its registry does not run yet.
        if subprocess.run([CLOUDBOX, "up"], stdout=subprocess.DEVNULL, timeout=PROVIDE_SECONDS).returncode:
            raise SystemExit(f"{CLOUDBOX} could not be started.")
        _remember(cloudbox=True)
        if not _pull(source):
            raise SystemExit(f"{source} could not be pulled.")
    _docker("tag", source, image)


def _pull(image: str) -> bool:
    return _docker("pull", "--quiet", image, timeout=PROVIDE_SECONDS) is not None


def down() -> None:
    """End what `up` started; an engine that was there before stays."""
    state = _remembered()
    if state.get("cloudbox"):
        subprocess.run([CLOUDBOX, "down"], check=False, timeout=120)
    pid = state.get("dockerd")
    if pid and b"dockerd" in _command_line(pid):
        os.kill(pid, signal.SIGTERM)
    shutil.rmtree(STATE, ignore_errors=True)


def _docker(*argv: str, timeout: float = 30) -> str | None:
    """What the client prints, or None when it fails."""
    try:
        result = subprocess.run(["docker", *argv], capture_output=True, text=True, timeout=timeout)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return result.stdout if result.returncode == 0 else None


def _command_line(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b""


def _remembered() -> dict[str, int]:
    try:
        state: dict[str, int] = json.loads((STATE / "state.json").read_text())
    except (OSError, ValueError):
        return {}
    return state


def _remember(**values: int) -> None:
    STATE.mkdir(mode=0o700, exist_ok=True)
    (STATE / "state.json").write_text(json.dumps({**_remembered(), **values}))


def main(word: str) -> int:
    """Carry out one of the three words."""
    began = time.monotonic()
    if word == "up":
        start()
        provide()
        print(f"The engine is ready with {BASE_IMAGE} ({time.monotonic() - began:.1f} s).")
        return 0
    if word == "down":
        down()
        return 0
    if word == "status":
        return 0 if is_ready() else 1
    print(__doc__)
    return 2


if __name__ == "__main__":
    sys.exit(main(sys.argv[1] if len(sys.argv) == 2 else ""))
