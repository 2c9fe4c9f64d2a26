"""SSH on loopback: what a command costs, how fast output comes, and fifty sessions that are read live.

python -m bench.ssh
"""

import os
import resource
import statistics
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import django
import paramiko

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "bench.settings")
django.setup()

from instances.hosts import keys  # noqa: E402
from instances.hosts.ssh import SSHHost  # noqa: E402
from instances.hosts.ssh_pool import POOL  # noqa: E402
from tests import sshd  # noqa: E402

COMMANDS = 40
CONNECTIONS = 10
LINES = 500_000
ROUNDS = 3
PIECE = 1 << 23
SESSIONS = 50
SESSION_LINES = 100
SESSION_SECONDS = 5.0


def milliseconds(act: Callable[[], object], times: int) -> float:
    """The median time of an act that was done once before."""
    act()
    taken = []
    for _ in range(times):
        started = time.perf_counter()
        act()
        taken.append((time.perf_counter() - started) * 1000)
    return statistics.median(taken)


def client(server: sshd.SSHServer) -> paramiko.SSHClient:
    """The library as its own examples show it."""
    made = paramiko.SSHClient()
    made.set_missing_host_key_policy(paramiko.AutoAddPolicy())
    made.connect(
        "127.0.0.1", server.port, sshd.ME, pkey=keys.as_paramiko(server.client.private),
        allow_agent=False, look_for_keys=False,
    )  # fmt: skip
    return made


def openssh(server: sshd.SSHServer, *options: str) -> list[str]:
    """The command line program, told to trust this server and use its key."""
    key = server.folder / "client"
    if not key.exists():
        key.touch(mode=0o600)
        key.write_text(server.client.private.reveal())
    known = server.folder / "known_hosts"
    known.write_text(f"[127.0.0.1]:{server.port} {server.host_key.public}\n")
    return [
        "ssh", "-F", "none", "-i", str(key), "-p", str(server.port), "-o", f"UserKnownHostsFile={known}",
        "-o", "BatchMode=yes", *options, f"{sshd.ME}@127.0.0.1",
    ]  # fmt: skip


def compare_commands(server: sshd.SSHServer, host: SSHHost) -> None:
    """H1: one small command, on whatever each way keeps open."""
    ours = milliseconds(lambda: host.call(["true"]), COMMANDS)
    with client(server) as kept:
        usual = milliseconds(lambda: kept.exec_command("true")[1].channel.recv_exit_status(), COMMANDS)

    def connect_and_run() -> None:
        with client(server) as fresh:
            fresh.exec_command("true")[1].channel.recv_exit_status()

    each = milliseconds(connect_and_run, CONNECTIONS)
    socket = f"ControlPath={server.folder / 'control'}"
    shared = openssh(server, "-o", socket, "-o", "ControlMaster=auto", "-o", "ControlPersist=30")
    program = milliseconds(lambda: subprocess.run([*shared, "true"], check=True), COMMANDS)
    subprocess.run([*shared[:-1], "-O", "exit", shared[-1]], check=True, capture_output=True)
    _line("ours", ours, "ms for a command")
    _line("paramiko, kept open", usual, "ms for a command")
    _line("paramiko, a connection for each", each, "ms for a command")
    _line("OpenSSH, ControlMaster", program, "ms for a command")
    print(f"  H1: 1/{usual / ours:.1f} of paramiko's default (goal 1/10)")
    print(f"  H1: 1/{each / ours:.1f} of a connection for each command (goal 1/25)")
    print(f"  H1: {ours / program:.2f}x ControlMaster (goal 1x)", flush=True)


def compare_streams(server: sshd.SSHServer, host: SSHHost) -> None:
    """H2: the log of a job, against a pipe and against reading it all at the end."""
    text = "a line of about a hundred characters, as builders print them all day long, over and over"
    host.start_job("lines", f"yes '{text}' | head -n {LINES}")
    _read_job(host)
    log = f"{host.root}/jobs/lines/log"
    size = Path(log).stat().st_size

    def at_the_end() -> None:
        with client(server) as kept:
            assert len(kept.exec_command(f"cat {log}")[1].read()) == size

    def piped() -> None:
        pipe = subprocess.Popen([*openssh(server), f"cat {log}"], stdout=subprocess.PIPE)
        assert pipe.stdout
        while pipe.stdout.read(1 << 18):
            pass
        pipe.wait(timeout=60)

    ways = {"ours": lambda: _read_job(host), "pipe": piped, "end": at_the_end}
    rates = {name: LINES / milliseconds(way, ROUNDS) * 1000 for name, way in ways.items()}
    _line("ours, the log of a job", rates["ours"], "lines/s")
    _line("OpenSSH, a pipe", rates["pipe"], "lines/s")
    _line("paramiko, read() at the end", rates["end"], "lines/s")
    print(f"  H2: {rates['ours'] / rates['pipe']:.2f}x the pipe (goal 0.6x)")
    print(f"  H2: {rates['ours'] / rates['end']:.1f}x read() at the end (goal 2x)", flush=True)


def _read_job(host: SSHHost) -> None:
    offset, code = 0, None
    while code is None:
        state = host.poll_job("lines", offset, limit=PIECE)
        offset, code = offset + len(state.output), state.code


def watch_many(host: SSHHost) -> None:
    """H3: fifty jobs of twenty lines a second, each read by a thread of its own twice a second."""
    script = (
        f"for i in $(seq {SESSION_LINES}); do echo line $i; sleep {SESSION_SECONDS / SESSION_LINES}; done"
    )
    for number in range(SESSIONS):
        host.start_job(f"live-{number}", "sleep 3; " + script)
    began, used = time.monotonic(), _own_seconds()
    threads = [threading.Thread(target=_follow, args=(host, f"live-{number}")) for number in range(SESSIONS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=120)
    wall, cores = time.monotonic() - began, (_own_seconds() - used) / (time.monotonic() - began)
    _line(f"ours, {SESSIONS} jobs read live", wall, "s")
    print(
        f"  H3: {cores:.2f} cores (goal 0.3); {wall / (SESSION_SECONDS + 3):.2f}x the ideal time (goal 1.25x)"
    )


def _follow(host: SSHHost, id: str) -> None:
    offset, code = 0, None
    while code is None:
        state = host.poll_job(id, offset)
        offset, code = offset + len(state.output), state.code
        time.sleep(0.5)


def _own_seconds() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def _line(name: str, figure: float, unit: str) -> None:
    print(f"  {name:38}{figure:12.1f} {unit}", flush=True)


def main() -> None:
    """Measure and print, with each goal beside its figure."""
    if not sshd.installed():
        print("  not measured: there is no sshd here (Debian: openssh-server)")
        return
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="portal-bench-")))
        server = stack.enter_context(sshd.server(folder / "sshd"))
        host = SSHHost(server.target, str(folder / "root"))
        compare_commands(server, host)
        compare_streams(server, host)
        watch_many(host)
        POOL.close(server.target)


if __name__ == "__main__":
    main()
