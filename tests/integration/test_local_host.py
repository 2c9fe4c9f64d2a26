"""Commands and jobs on this machine, with real processes that are killed at bad moments."""

import errno
import hashlib
import os
import random
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from instances.hosts import jobs
from instances.hosts.base import LOST, HostError, HostTimeout
from instances.hosts.local import LocalHost

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(autouse=True)
def no_process_is_left(tmp_path: Path) -> Iterator[None]:
    yield
    wait_until(lambda: not own_processes(tmp_path), "processes of a job are left")
    assert not [child for child in children() if child[1] == "Z"]


@pytest.fixture
def host(tmp_path: Path) -> LocalHost:
    return LocalHost(tmp_path / "root")


def wait_until(condition: Callable[[], object], problem: str, seconds: float = 15) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, problem
        time.sleep(0.01)


def own_processes(folder: Path) -> list[str]:
    """Living processes that work in or below this folder."""
    found = []
    for process in Path("/proc").iterdir():
        if process.name.isdigit():
            try:
                if str((process / "cwd").readlink()).startswith(str(folder)):
                    found.append((process / "cmdline").read_text())
            except OSError:
                continue
    return found


def children() -> list[tuple[str, str]]:
    found = []
    for task in Path("/proc/self/task").iterdir():
        for pid in (task / "children").read_text().split():
            found.append((pid, Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2][0]))
    return found


def end_of(host: LocalHost, id: str, seconds: float = 15) -> int:
    wait_until(lambda: host.poll_job(id, 1 << 40).code is not None, f"{id} did not end", seconds)
    code = host.poll_job(id, 1 << 40).code
    assert code is not None
    return code


def output_of(host: LocalHost, id: str) -> str:
    return host.poll_job(id, 0, limit=1 << 22).output.decode()


def is_anything_left(host: LocalHost) -> bool:
    """Whether the script or its children are there; whoever saw to their end may stay for a moment."""
    return any("sleep\x0060" in line or "/script" in line for line in own_processes(Path(host.root)))


def folder_of(host: LocalHost, id: str) -> Path:
    return Path(host.root, "jobs", id)


# --- short commands -------------------------------------------------------------------------------


def test_nothing_of_our_environment_reaches_commands_and_jobs(
    host: LocalHost, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("SECRET_KEY", "DATABASE_URL", "AWS_SECRET_ACCESS_KEY", "PORTAL_FIELD_KEYS"):
        monkeypatch.setenv(name, "canary")
    monkeypatch.setenv("PATH", f"{sys.prefix}/bin:/usr/bin:/bin")
    host.start_job("env", "env")
    assert end_of(host, "env") == 0
    for printed in (host.call(["env"]).out, output_of(host, "env")):
        lines = dict(line.split("=", 1) for line in printed.splitlines())
        assert set(lines) - {"PWD", "OLDPWD", "_", "SHLVL"} == {"PATH", "HOME", "LANG"}
        assert lines["PATH"] == "/usr/bin:/bin"


def test_output_is_cut_and_the_command_still_ends(host: LocalHost) -> None:
    result = host.call(["sh", "-c", "head -c 5000000 /dev/zero; head -c 3000000 /dev/zero >&2"])
    assert (result.code, len(result.out), len(result.err)) == (0, 1 << 20, 1 << 20)


def test_a_command_may_end_without_reading_its_input(host: LocalHost) -> None:
    assert host.call(["true"], input=b"x" * 5_000_000).ok


def test_a_large_input_comes_back_whole(host: LocalHost) -> None:
    text = "".join(random.choices("abc\n", k=900_000))
    assert host.call(["cat"], input=text.encode()).out == text


def test_the_deadline_ends_the_whole_group(host: LocalHost) -> None:
    with pytest.raises(HostTimeout, match="sh did not end within 0.3 seconds"):
        host.call(["sh", "-c", "trap '' TERM; sleep 300 & sleep 300"], timeout=0.3)
    wait_until(lambda: not own_processes(Path(host.root)), "the group was not killed", seconds=2)


def test_a_grandchild_that_keeps_the_pipes_open_is_not_waited_for(host: LocalHost) -> None:
    started = time.monotonic()
    assert host.call(["sh", "-c", "sleep 3 & echo done"], timeout=2.5).out == "done\n"
    assert time.monotonic() - started < 2.5


def test_a_command_that_dies_of_a_signal_ends_as_in_a_shell(host: LocalHost) -> None:
    assert host.call(["sh", "-c", "kill -s KILL $$"]).code == 137


# --- files ----------------------------------------------------------------------------------------


def test_a_secret_file_is_never_open_to_others(host: LocalHost) -> None:
    """Whoever looks meanwhile sees every name that ever was in the folder with the owner's mode only."""
    folder = Path(host.root, "files")
    host.put("files/first", b"", mode=0o600)
    seen: set[int] = set()
    stop = threading.Event()

    def look() -> None:
        while not stop.is_set():
            for entry in folder.iterdir():
                try:
                    seen.add(entry.stat().st_mode & 0o777)
                except FileNotFoundError:
                    continue

    watcher = threading.Thread(target=look)
    watcher.start()
    for number in range(50):
        host.put(f"files/secret-{number % 5}", b"s" * 10_000, mode=0o600)
    stop.set()
    watcher.join(timeout=5)
    assert seen == {0o600}


def test_the_mode_does_not_depend_on_the_umask(host: LocalHost) -> None:
    old = os.umask(0o077)
    try:
        host.put("open/file", b"", mode=0o755)
    finally:
        os.umask(old)
    assert Path(host.root, "open/file").stat().st_mode & 0o777 == 0o755


def test_links_in_a_checkout_lead_nowhere(host: LocalHost, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("key")
    host.put("checkout/a", b"")
    Path(host.root, "checkout/Dockerfile").symlink_to(tmp_path / "secret")
    Path(host.root, "checkout/out").symlink_to(tmp_path)
    os.mkfifo(Path(host.root, "checkout/pipe"))
    for path in ("checkout/Dockerfile", "checkout/out/secret", "checkout/pipe"):
        with pytest.raises(ValueError, match="link|regular"):
            host.read(path)
    with pytest.raises(ValueError, match="link"):
        host.put("checkout/out/new", b"")
    host.remove("checkout")
    assert (tmp_path / "secret").read_text() == "key"
    assert not (tmp_path / "new").exists()


def test_a_folder_that_is_write_protected_is_removed_too(host: LocalHost) -> None:
    host.put("cache/mod/file", b"x")
    Path(host.root, "cache/mod").chmod(0o500)
    host.remove("cache")
    assert not Path(host.root, "cache").exists()
    wait_until(lambda: not list(Path(host.root, "trash").iterdir()), "the trash is not emptied")


def test_a_full_disk_is_said_clearly(host: LocalHost, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(file: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", refuse)
    with pytest.raises(HostError, match="No space left on the disk below"):
        host.put("files/a", b"content")
    assert list(Path(host.root, "files").iterdir()) == []


def test_a_port_that_is_listened_on_is_not_free(host: LocalHost) -> None:
    import socket

    for family, address in ((socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")):
        with socket.socket(family) as server:
            server.bind((address, 0))
            port = server.getsockname()[1]
            assert host.free_port(port)
            server.listen()
            assert not host.free_port(port)
    assert host.free_port(port)


# --- jobs: starting -------------------------------------------------------------------------------


def test_a_hundred_starts_at_once_run_it_once(host: LocalHost, tmp_path: Path) -> None:
    marks = tmp_path / "marks"
    with ThreadPoolExecutor(25) as pool:
        starts = [pool.submit(host.start_job, "once", f"echo x >>{marks}; sleep 0.3") for _ in range(100)]
        for start in starts:
            start.result(timeout=30)
    assert end_of(host, "once") == 0
    assert marks.read_text() == "x\n"
    assert sorted(path.name for path in folder_of(host, "once").iterdir()) == [
        "exit", "lock", "log", "pgid", "runner", "script", "started",
    ]  # fmt: skip


def test_a_job_is_begun_whatever_was_left_by_a_start_that_died(host: LocalHost) -> None:
    folder_of(host, "empty").mkdir()
    host.start_job("laid-out", "true")
    shutil.copytree(folder_of(host, "laid-out"), folder_of(host, "before-start"))
    end_of(host, "laid-out")
    for name in ("started", "exit", "pgid", "log", "lock"):
        (folder_of(host, "before-start") / name).unlink(missing_ok=True)
    for job in ("empty", "before-start"):
        with pytest.raises(KeyError):
            host.poll_job(job, 0)
        host.start_job(job, "echo begun")
        assert (end_of(host, job), output_of(host, job)) == (0, "begun\n")


def test_a_start_killed_at_any_moment_is_continued_by_the_next(host: LocalHost, tmp_path: Path) -> None:
    """Runs at most once; zero times only where it is told to be lost."""
    for number in range(40):
        job, marks = f"killed-{number}", tmp_path / f"marks-{number}"
        script = f"echo x >>{marks}"
        folder_of(host, job).mkdir()
        host._lay_out(folder_of(host, job), "script.draft", script)
        command = jobs.start_command(host.root, job, "script.draft", ("app", number))
        start = subprocess.Popen(command, start_new_session=True)
        time.sleep(number / 10_000)
        os.killpg(start.pid, signal.SIGKILL)
        start.wait(timeout=5)
        host.start_job(job, script, fence=("app", number))
        code = end_of(host, job)
        assert (code, marks.exists() and marks.read_text()) in [(0, "x\n"), (LOST, False)]


def test_a_job_outlives_the_process_that_started_it(host: LocalHost) -> None:
    program = f"""
import os, signal
from pathlib import Path
from instances.hosts.local import LocalHost
LocalHost(Path({host.root!r})).start_job("outlives", "sleep 0.3; echo done")
os.kill(os.getpid(), signal.SIGKILL)
"""
    result = subprocess.run([sys.executable, "-c", program], cwd=ROOT, timeout=20, check=False)
    assert result.returncode == -signal.SIGKILL
    host.start_job("outlives", "echo again")
    assert (end_of(host, "outlives"), output_of(host, "outlives")) == (0, "done\n")


def test_the_fence_holds_among_many_starts(host: LocalHost) -> None:
    """Whatever the order, the highest number stays, and begun jobs never come after a higher one."""
    numbers = random.sample(range(1, 41), 40)

    def start(number: int) -> None:
        try:
            host.start_job(f"fenced-{number}", "true", fence=("app", number))
        except HostError:
            return

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(start, numbers))
    assert int(Path(host.root, "fences/app").read_text()) == 40
    begun = [n for n in numbers if (folder_of(host, f"fenced-{n}") / "started").exists()]
    order = sorted(begun, key=lambda n: (folder_of(host, f"fenced-{n}") / "started").stat().st_mtime_ns)
    assert order == sorted(order)
    assert not list(Path(host.root, "jobs").glob("*/script.*"))
    for number in begun:
        end_of(host, f"fenced-{number}")


def test_the_runner_also_works_where_sh_is_bash(
    host: LocalHost, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/sh").symlink_to("/bin/bash")
    monkeypatch.setenv("PATH", f"{tmp_path}/bin:/usr/bin:/bin")
    host.start_job("bash", "echo ${BASH_VERSION:+bash}; exit 3", fence=("app", 8))
    host.start_job("stopped", "(trap '' TERM; sleep 60) & sleep 60", fence=("app", 9))
    assert (end_of(host, "bash"), output_of(host, "bash")) == (3, "bash\n")
    host.stop_job("stopped", grace=0.2)
    assert end_of(host, "stopped") == 143


# --- jobs: reading --------------------------------------------------------------------------------


def test_fifty_megabytes_come_through_byte_for_byte(host: LocalHost, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    host.start_job("large", f"head -c 52428800 /dev/urandom | tee {copy}")
    digest, offset, code = hashlib.sha256(), 0, None
    deadline = time.monotonic() + 30
    while code is None and time.monotonic() < deadline:
        state = host.poll_job("large", offset, limit=random.choice([1, 1000, 1 << 18]))
        digest.update(state.output)
        offset, code = offset + len(state.output), state.code
    assert (code, offset) == (0, 52428800)
    assert digest.hexdigest() == hashlib.sha256(copy.read_bytes()).hexdigest()


def test_the_code_never_comes_before_the_last_output(host: LocalHost) -> None:
    for number in range(20):
        job, output = f"short-{number}", b""
        host.start_job(job, "echo one; echo two; echo last")
        while (state := host.poll_job(job, len(output))).code is None:
            output += state.output
        assert output + state.output == b"one\ntwo\nlast\n"


def test_a_killed_runner_is_lost_once_its_script_has_ended(host: LocalHost) -> None:
    host.start_job("lost", "echo before; sleep 0.5; echo after")
    wait_until(lambda: output_of(host, "lost") == "before\n", "it does not begin")
    script = int((folder_of(host, "lost") / "pgid").read_text().split()[0])
    runner = int(Path(f"/proc/{script}/stat").read_text().rpartition(") ")[2].split()[1])
    os.kill(runner, signal.SIGKILL)
    time.sleep(0.1)
    assert host.poll_job("lost", 0).code is None
    assert end_of(host, "lost") == LOST
    assert output_of(host, "lost") == "before\nafter\n"


def test_a_restart_of_the_machine_loses_what_ran(host: LocalHost) -> None:
    folder = folder_of(host, "rebooted")
    folder.mkdir()
    for name in ("started", "lock", "runner", "script"):
        (folder / name).touch()
    (folder / "pgid").write_text(f"{os.getpgid(0)} 1 another-boot\n")
    (folder / "log").write_text("half")
    assert host.poll_job("rebooted", 0) == host.poll_job("rebooted", 0)
    assert host.poll_job("rebooted", 0).code == LOST
    assert host.poll_job("rebooted", 0).output == b"half"


# --- jobs: ending ---------------------------------------------------------------------------------


def test_a_job_that_ends_in_time_is_not_killed(host: LocalHost) -> None:
    host.start_job("polite", "trap 'echo bye; exit 9' TERM; echo ready; sleep 60 & wait")
    wait_until(lambda: output_of(host, "polite"), "it does not begin")
    host.stop_job("polite", grace=5)
    assert (end_of(host, "polite"), output_of(host, "polite")) == (9, "ready\nbye\n")


@pytest.mark.parametrize(
    "script",
    [
        "trap '' TERM; echo ready; sleep 60; sleep 60",
        "(trap '' TERM; (trap '' TERM; echo ready; sleep 60) & sleep 60) & sleep 60",
        "(trap '' TERM; echo ready; sleep 60) & exec sleep 60",
    ],
)
def test_processes_that_ignore_the_request_are_killed(host: LocalHost, script: str) -> None:
    host.start_job("stubborn", script)
    wait_until(lambda: output_of(host, "stubborn"), "it does not begin")
    started = time.monotonic()
    host.stop_job("stubborn", grace=1)
    host.stop_job("stubborn", grace=1)
    assert time.monotonic() - started < 1
    assert end_of(host, "stubborn") in (143, 137)
    assert not is_anything_left(host)


def test_what_a_script_leaves_behind_ends_with_the_job(host: LocalHost) -> None:
    host.start_job("leaves", "sleep 60 & exit 5")
    assert end_of(host, "leaves") == 5
    assert not is_anything_left(host)


def test_a_job_stopped_before_its_script_began_does_not_begin(host: LocalHost) -> None:
    folder_of(host, "early").mkdir()
    (folder_of(host, "early") / "stopped").write_text("50\n")
    host.start_job("early", "echo begun")
    assert (end_of(host, "early"), output_of(host, "early")) == (143, "")


def test_another_group_with_the_same_number_is_left_alone(host: LocalHost) -> None:
    stranger = subprocess.Popen(["sleep", "60"], start_new_session=True)
    host.start_job("old", "true")
    end_of(host, "old")
    boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    (folder_of(host, "old") / "pgid").write_text(f"{stranger.pid} 12345 {boot}\n")
    host.stop_job("old", grace=0)
    time.sleep(0.2)
    assert stranger.poll() is None
    stranger.kill()
    stranger.wait(timeout=5)
