"""The journey to a machine elsewhere, against the same by hand: both real, interleaved, in the same minutes.

python -m bench.journey        needs the acceptance cloud beside the checkout, and root

By hand and optimal is the script of the acceptance tools: everything overlapped that can be. By hand again is
`git pull && docker build && docker run && nginx -s reload` in one SSH command on the same machine.
"""

import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

ROUNDS = int(os.environ.get("BENCH_ROUNDS", "5"))
INSTALLATION = "bench"
TOTAL = re.compile(r"^TOTAL optimal\s+([\d.]+) s", re.MULTILINE)

BY_HAND = """\
set -e
cd /tmp/byhand
git pull -q
sudo docker build -q -t byhand . >/dev/null
sudo docker rm -f byhand >/dev/null 2>&1 || true
sudo docker run -d --restart unless-stopped --name byhand -p 127.0.0.1:8999:8000 byhand >/dev/null
sudo nginx -s reload
until curl -fs -o /dev/null http://127.0.0.1:8999/; do sleep 0.05; done
"""


def first_by_hand(cloud: Any) -> float:
    """Seconds from nothing to an answer, by the optimal script."""
    script = Path(cloud.TOOL).parent / "baseline.sh"
    done = subprocess.run(
        ["bash", str(script), "optimal"], env={**os.environ, **cloud.environment()},
        capture_output=True, text=True, timeout=600,
    )  # fmt: skip
    match = TOTAL.search(done.stdout)
    assert match, done.stdout + done.stderr
    return float(match[1])


def deploy(portal: Any, url: str, **options: Any) -> tuple[float, dict[str, Any]]:
    """Seconds of a deployment, from the request to its end, and how it ended."""
    began = time.monotonic()
    end = portal.wait_for_end(portal.deploy(url, **options), seconds=600)
    assert end["status"] == "succeeded", end
    return time.monotonic() - began, end


def ssh_by_hand(cloud: Any, server: dict[str, Any], command: str) -> float:
    began = time.monotonic()
    subprocess.run(
        [
            "ssh", "-i", server["key_file"], "-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null",
            "-o", "LogLevel=ERROR", "-o", "BatchMode=yes", f"{server['user']}@{server['address']}", command,
        ],
        stdin=subprocess.DEVNULL, timeout=300, check=True,
    )  # fmt: skip
    return time.monotonic() - began


def new_instances(cloud: Any, here: Any, folder: Path) -> None:
    ours, hands = [], []
    portal = here.portal(folder / "new", PORTAL_INSTALLATION=INSTALLATION, PORTAL_BOOTSTRAP_EXTRAS="")
    for _ in range(2):
        portal.start_worker()
    try:
        for turn in range(ROUNDS):
            hands.append(first_by_hand(cloud))
            ours.append(deploy(portal, here.app("hello"), target="ec2", name=f"hello-{turn}")[0])
            here.end_machines(INSTALLATION)
            print(f"  round {turn + 1}: by hand {hands[-1]:.1f} s, portal {ours[-1]:.1f} s", flush=True)
    finally:
        portal.close()
        here.end_machines(INSTALLATION)
    report("hello on a new instance (twelve steps)", ours, hands, "by hand, all overlapped", goal=1.5)


def redeploys(cloud: Any, here: Any, folder: Path) -> None:
    server = here.add_server("bench")
    portal = here.portal(folder / "again", PORTAL_BOOTSTRAP_EXTRAS="", PORTAL_PROVING_SECONDS="0")
    cloud.register(portal, server, "bench")
    for _ in range(2):
        portal.start_worker()
    repository = here.new_repository("bench")
    ours, hands = [], []
    try:
        deploy(portal, repository, target="bench", name="bench")
        ssh_by_hand(here, server, f"git clone -q {repository} /tmp/byhand")
        for turn in range(ROUNDS):
            cloud.push_files(here, folder, repository, "hello", version=f"hand {turn}")
            hands.append(ssh_by_hand(here, server, BY_HAND))
            cloud.push_files(here, folder, repository, "hello", version=f"portal {turn}")
            ours.append(deploy(portal, repository, name="bench")[0])
            print(f"  round {turn + 1}: by hand {hands[-1]:.1f} s, portal {ours[-1]:.1f} s", flush=True)
    finally:
        portal.close()
        here.remove_server("bench")
    report("redeploy of a changed commit", ours, hands, "pull, build, run, reload by hand", goal=1.3)


def report(what: str, ours: list[float], theirs: list[float], against: str, *, goal: float) -> None:
    mine, other = statistics.median(ours), statistics.median(theirs)
    print(f"{what}: {mine:.1f} s, {mine / other:.2f}x {against} ({other:.1f} s); goal at most {goal}x")


def main() -> None:
    from tests.e2e import cloud

    if not cloud.is_there():
        print("The acceptance cloud is not here; nothing was measured.")
        return
    here = cloud.Cloud()
    with tempfile.TemporaryDirectory() as folder:
        wanted = sys.argv[1:] or ["new", "again"]
        if "new" in wanted:
            new_instances(cloud, here, Path(folder))
        if "again" in wanted:
            redeploys(cloud, here, Path(folder))


if __name__ == "__main__":
    main()
