"""The script that makes a server ready, run with stand-ins for the programs it calls."""

import json
import re
import shutil
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from instances import bootstrap

# All else that the script finds: a stand-in decides what is installed, not this machine.
TOOLS = [
    "sh",
    "chmod",
    "date",
    "grep",
    "tail",
    "tee",
    "mkdir",
    "rm",
    "find",
    "touch",
    "cut",
    "awk",
    "df",
    "flock",
    "sleep",
    "head",
    "cat",
    "timeout",
    "wc",
]
STAND_INS = {"id": "echo 0", "dpkg": "", "systemctl": "", "service": "", "journalctl": ""}


def run(folder: Path, *part: str, wait: int = 1, **programs: str) -> "subprocess.CompletedProcess[str]":
    """Run the script's real text on a machine that has these programs and the plainest tools."""
    return finish(start(folder, *part, wait=wait, **programs))


def start(folder: Path, *part: str, wait: int = 1, **programs: str) -> "subprocess.Popen[str]":
    tools = folder / "tools"
    tools.mkdir(exist_ok=True)
    for name in TOOLS:
        if not (tools / name).exists():
            (tools / name).symlink_to(str(shutil.which(name)))
    for name, body in (STAND_INS | programs).items():
        write_program(tools / name.replace("_", "-"), body)
    text = re.sub(r"export PATH=.*", f"export PATH={tools}", bootstrap.script(part=part))
    # What it writes stays in the folder of the test.
    for place in ("/etc/", "/run/portal-bootstrap", "/swapfile"):
        text = text.replace(place, f"{folder}{place}")
    (folder / "run").mkdir(exist_ok=True)
    (folder / "bootstrap.sh").write_text(text)
    return subprocess.Popen(
        ["sh", str(folder / "bootstrap.sh")],
        env={"PORTAL_STATE": str(folder / "state"), "PORTAL_WAIT_SECONDS": str(wait)},
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip


def finish(process: "subprocess.Popen[str]") -> "subprocess.CompletedProcess[str]":
    output, _ = process.communicate(timeout=30)
    return subprocess.CompletedProcess(process.args, process.returncode, output, "")


def write_program(file: Path, body: str) -> None:
    # Never through a link to the machine's own program.
    file.unlink(missing_ok=True)
    file.write_text(f"#!/bin/sh\n{body}\n")
    file.chmod(0o755)


@pytest.mark.skipif(shutil.which("shellcheck") is None, reason="shellcheck is not installed")
@pytest.mark.parametrize("extras", [[], ["swap", "tools"]])
def test_shellcheck_finds_nothing(tmp_path: Path, extras: list[str]) -> None:
    script = tmp_path / "bootstrap.sh"
    script.write_text(bootstrap.script(source="docker", extras=extras, part=["all", "python:3.12"]))

    result = subprocess.run(["shellcheck", str(script)], capture_output=True, text=True, timeout=60)

    assert result.stdout == ""


def test_the_script_is_small_enough_to_go_with_a_machine_to_aws() -> None:
    assert len(bootstrap.script(part=["all"]).encode()) < 14_000


def test_values_are_quoted() -> None:
    text = bootstrap.script(extras=["swap", "tools"], part=["warm", "python:3; reboot"])

    assert "PORTAL_EXTRAS='swap tools'\n" in text
    assert "set -- warm 'python:3; reboot'\n" in text


@pytest.mark.parametrize("wrong", [{"source": "ppa"}, {"extras": ["reboot"]}, {"part": ["everything"]}])
def test_what_the_script_does_not_know_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValueError):
        bootstrap.script(**wrong)  # type: ignore[arg-type]


def test_the_last_failure_is_read() -> None:
    output = (
        "portal-bootstrap: failed: apt_locked old\nE: x\nportal-bootstrap: failed: no_network The servers.\n"
    )

    assert bootstrap.failure_in(output) == bootstrap.Failure("no_network", "The servers.")
    assert bootstrap.failure_in("portal-bootstrap: docker is ready") is None


def test_an_unknown_part_is_a_mistake_of_the_caller(tmp_path: Path) -> None:
    script = tmp_path / "script"
    script.write_text(bootstrap.text())

    result = subprocess.run(["sh", str(script), "dokcer"], capture_output=True, text=True, timeout=10)

    assert (result.returncode, bootstrap.failure_in(result.stdout)) == (
        64, bootstrap.Failure("usage", "Name a part: docker, nginx, git, extras, all or warm.")
    )  # fmt: skip


def test_docker_that_answers_is_left_alone(tmp_path: Path) -> None:
    result = run(tmp_path, "docker", docker="echo 24.0.1", apt_get="echo touched; exit 1")

    assert (result.returncode, result.stdout) == (0, "portal-bootstrap: docker is there\n")


def test_images_that_are_there_are_not_pulled(tmp_path: Path) -> None:
    docker = 'case "$*" in *inspect*there*) exit 0 ;; *inspect*) exit 1 ;; *) echo "ran $*" ;; esac'

    result = run(tmp_path, "warm", "there:1", "other:1", docker=docker)

    assert result.stdout == "portal-bootstrap: pulling other:1\nran pull -q -- other:1\n"


FAILURES = [
    (
        "E: Could not get lock /var/lib/dpkg/lock-frontend. It is held by process 7 (apt-get)",
        "apt_locked",
        14,
    ),
    ("E: Failed to fetch http://deb/x  Temporary failure resolving 'deb'", "no_network", 12),
    ("dpkg: error: cannot copy: No space left on device", "disk_full", 13),
    ("E: Sub-process /usr/bin/dpkg returned an error code (1)", "package_failed", 1),
]


@pytest.mark.parametrize(("said", "word", "code"), FAILURES)
def test_a_failed_installation_is_told_apart(tmp_path: Path, said: str, word: str, code: int) -> None:
    apt = f"""case "$*" in *install*) echo "{said}"; exit 100 ;; esac"""

    result = run(tmp_path, "nginx", apt_get=apt)

    failure = bootstrap.failure_in(result.stdout)
    assert failure is not None, result.stdout
    assert (failure.word, result.returncode) == (word, code)
    assert said in result.stdout


def test_a_full_disk_is_told_before_anything_is_installed(tmp_path: Path) -> None:
    df = "echo Filesystem; echo disk 100 90 10240 99% /"

    result = run(tmp_path, "docker", apt_get="echo touched", df=df)

    failure = bootstrap.failure_in(result.stdout)
    assert failure and failure.word == "disk_full"
    assert "touched" not in result.stdout


def test_what_is_missing_is_installed_and_then_left_alone(tmp_path: Path) -> None:
    git = tmp_path / "tools" / "git"
    apt = f"""case "$*" in *install*git*) echo installing; echo exit >{git}; chmod +x {git} ;; esac"""

    first, second = run(tmp_path, "git", apt_get=apt), run(tmp_path, "git", apt_get=apt)

    assert (first.returncode, first.stdout.count("\ninstalling\n")) == (0, 1)
    assert (second.returncode, second.stdout) == (0, "portal-bootstrap: git is there\n")


def test_lists_are_read_once_in_half_an_hour(tmp_path: Path) -> None:
    apt = """echo "apt $*"; case "$*" in *install*) exit 100 ;; esac"""

    first, second = run(tmp_path, "git", apt_get=apt), run(tmp_path, "git", apt_get=apt)

    assert first.stdout.count(" update\n") == 1
    assert second.stdout.count(" update\n") == 0


def test_a_system_without_a_known_package_manager_is_refused(tmp_path: Path) -> None:
    failure = bootstrap.failure_in(run(tmp_path, "git").stdout)

    assert failure and failure.word == "unsupported_os"


def holding(folder: Path) -> str:
    """An installation that goes on until it may end, and not for ever."""
    return f"""echo slow; i=0; while [ $i -lt 400 ] && [ ! -e {folder}/end ]; do i=$((i + 1)); sleep 0.05; done"""


def test_whoever_waits_for_docker_returns_as_soon_as_it_answers(tmp_path: Path) -> None:
    """Though the run that holds the lock goes on with something else."""
    answering = tmp_path / "answering"
    programs = {"apt_get": holding(tmp_path), "docker": f"[ ! -e {answering} ] || echo 24.0.1"}
    holder = start(tmp_path, "git", **programs)
    wait_for(lambda: "slow" in log_of(tmp_path))

    waiter = start(tmp_path, "docker", wait=20, **programs)
    time.sleep(0.5)
    assert waiter.poll() is None
    answering.touch()
    result = finish(waiter)

    assert holder.poll() is None
    (tmp_path / "end").touch()
    finish(holder)
    assert result.returncode == 0
    assert "slow" in result.stdout
    assert "docker is ready" in result.stdout


def test_waiting_for_another_run_has_an_end(tmp_path: Path) -> None:
    holder = start(tmp_path, "git", apt_get=holding(tmp_path))
    wait_for(lambda: "slow" in log_of(tmp_path))

    failure = bootstrap.failure_in(run(tmp_path, "nginx", apt_get=holding(tmp_path)).stdout)

    assert failure
    assert failure.word == "apt_locked"
    (tmp_path / "end").touch()
    finish(holder)


def test_a_system_with_dnf_gets_its_own_packages(tmp_path: Path) -> None:
    docker = tmp_path / "tools" / "docker"
    dnf = f"""echo "dnf $*"; echo "echo 25.0.3" >{docker}; chmod +x {docker}"""

    result = run(tmp_path, "docker", dnf=dnf, dockerd="")

    assert result.returncode == 0, result.stdout
    assert json.loads((tmp_path / "etc/docker/daemon.json").read_text())["log-opts"]["max-file"] == "3"
    assert re.search(r"^dnf .*install docker( git)?$", result.stdout, re.MULTILINE)


def log_of(folder: Path) -> str:
    log = folder / "state" / "bootstrap.log"
    return log.read_text() if log.exists() else ""


def wait_for(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)
