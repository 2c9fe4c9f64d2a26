"""Commands, files and jobs on a server, over real connections to a real sshd that break at bad moments."""

import hashlib
import http.client
import os
import random
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import paramiko
import pytest

from instances.hosts import keys, ssh_connect, ssh_pool
from instances.hosts.base import HostError, HostRefused, HostTimeout
from instances.hosts.ssh import SSHHost, scan
from instances.hosts.ssh_pool import POOL
from tests import sshd
from tests.integration.host_contract import HostContract
from tests.integration.test_local_host import (  # noqa: F401 - run here on a server
    test_a_command_may_end_without_reading_its_input,
    test_a_command_that_dies_of_a_signal_ends_as_in_a_shell,
    test_a_folder_that_is_write_protected_is_removed_too,
    test_a_grandchild_that_keeps_the_pipes_open_is_not_waited_for,
    test_a_job_that_ends_in_time_is_not_killed,
    test_a_killed_runner_is_lost_once_its_script_has_ended,
    test_a_large_input_comes_back_whole,
    test_a_port_that_is_listened_on_is_not_free,
    test_a_restart_of_the_machine_loses_what_ran,
    test_a_secret_file_is_never_open_to_others,
    test_another_group_with_the_same_number_is_left_alone,
    test_links_in_a_checkout_lead_nowhere,
    test_output_is_cut_and_the_command_still_ends,
    test_processes_that_ignore_the_request_are_killed,
    test_the_code_never_comes_before_the_last_output,
    test_the_deadline_ends_the_whole_group,
    test_the_fence_holds_among_many_starts,
    test_what_a_script_leaves_behind_ends_with_the_job,
    wait_until,
)
from tests.tcp_proxy import TCPProxy

pytestmark = [
    pytest.mark.sshd,
    pytest.mark.skipif(not sshd.has_sudo(), reason="commands on servers run as root"),
]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[sshd.SSHServer]:
    with sshd.server(tmp_path_factory.mktemp("sshd")) as running:
        yield running


@pytest.fixture
def own_server(tmp_path: Path) -> Iterator[sshd.SSHServer]:
    """One that a test may break."""
    with sshd.server(tmp_path / "own-sshd") as running:
        yield running


@pytest.fixture
def host(server: sshd.SSHServer, tmp_path: Path) -> SSHHost:
    made = SSHHost(server.target, str(tmp_path / "root"))
    # The folders are there as on a host that was used before.
    made.put("first", b"")
    made.remove("first")
    return made


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """The waits of a real network, tenfold shorter."""
    for module, name in [
        (ssh_pool, "SILENT_SECONDS"), (ssh_pool, "HEARTBEAT_SECONDS"), (ssh_pool, "OPEN_SECONDS"),
        (ssh_pool, "LATE_SECONDS"), (ssh_connect, "CONNECT_SECONDS"), (ssh_connect, "HANDSHAKE_SECONDS"),
        (ssh_connect, "AUTH_SECONDS"),
    ]:  # fmt: skip
        monkeypatch.setattr(module, name, getattr(module, name) / 10)


class TestSSHHost(HostContract):
    pass


# --- who it is ------------------------------------------------------------------------------------


def test_a_changed_host_key_is_refused_before_we_say_who_we_are(own_server: sshd.SSHServer) -> None:
    known = keys.make().public
    target = replace(own_server.target, host_keys=(known,))
    with pytest.raises(HostRefused, match="Nothing was sent") as refused:
        SSHHost(target).call(["true"])
    assert refused.value.code == "ssh_host_key_changed"
    for line in (known, own_server.host_key.public):
        assert keys.fingerprint(line) in str(refused.value)
    assert_no_sign_in(own_server)


def assert_no_sign_in(server: sshd.SSHServer) -> None:
    """The server's log of a connection names the end of its key exchange, and nothing of a user."""
    wait_until(lambda: "SSH2_MSG_NEWKEYS" in server.log, "the server saw no connection")
    time.sleep(0.2)
    for word in ("userauth-request", "publickey", "Accepted", "Failed"):
        assert word not in server.log


def test_a_sign_in_would_be_seen_in_the_log(own_server: sshd.SSHServer) -> None:
    SSHHost(own_server.target).call(["true"])
    assert "userauth-request" in own_server.log


def test_a_key_of_another_kind_than_the_one_confirmed_is_a_changed_key(own_server: sshd.SSHServer) -> None:
    known = paramiko.ECDSAKey.generate()
    target = replace(own_server.target, host_keys=(f"{known.get_name()} {known.get_base64()}",))
    with pytest.raises(HostRefused) as refused:
        SSHHost(target).call(["true"])
    assert refused.value.code == "ssh_host_key_changed"


def test_the_kind_of_key_that_was_confirmed_is_asked_for(tmp_path: Path) -> None:
    folder = tmp_path / "two-keys"
    folder.mkdir()
    subprocess.run(
        ["ssh-keygen", "-q", "-t", "rsa", "-b", "2048", "-N", "", "-f", folder / "rsa"], check=True
    )
    with sshd.server(folder, f"HostKey {folder / 'rsa'}") as running:
        public = " ".join((folder / "rsa.pub").read_text().split()[:2])
        target = replace(running.target, host_keys=(public,))
        assert SSHHost(target).call(["echo", "yes"]).out == "yes\n"


def test_without_a_confirmed_key_nothing_is_sent_at_all(own_server: sshd.SSHServer) -> None:
    with pytest.raises(HostRefused) as refused:
        SSHHost(replace(own_server.target, host_keys=())).call(["true"])
    assert refused.value.code == "ssh_host_key_unknown"
    assert "Connection from" not in own_server.log


def test_the_key_is_seen_without_signing_in(own_server: sshd.SSHServer) -> None:
    assert scan("127.0.0.1", own_server.port, 5) == own_server.host_key.public
    assert_no_sign_in(own_server)


def test_a_key_that_the_server_does_not_know_is_refused_soon(server: sshd.SSHServer) -> None:
    stranger = keys.make()
    started = time.monotonic()
    with pytest.raises(HostRefused) as refused:
        SSHHost(replace(server.target, private_key=stranger.private)).call(["true"])
    assert time.monotonic() - started < 10
    assert refused.value.code == "ssh_auth_failed"
    assert sshd.ME in str(refused.value)
    assert keys.fingerprint(stranger.public) in str(refused.value)


def test_no_server_is_an_error_that_may_pass(server: sshd.SSHServer) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        target = replace(server.target, port=unused.getsockname()[1])
        with pytest.raises(HostError, match="Nothing listens on port") as error:
            SSHHost(target).call(["true"])
        assert not isinstance(error.value, HostRefused)


@pytest.mark.usefixtures("impatient")
def test_somebody_else_than_an_ssh_server_is_said(server: sshd.SSHServer) -> None:
    with socket.create_server(("127.0.0.1", 0)) as mute:
        target = replace(server.target, port=mute.getsockname()[1])
        with pytest.raises(HostError, match="No SSH server answered"):
            SSHHost(target).call(["true"])


# --- ways there -----------------------------------------------------------------------------------


def test_a_server_is_reached_through_another(own_server: sshd.SSHServer, server: sshd.SSHServer) -> None:
    target = replace(own_server.target, jump=server.target)
    assert SSHHost(target).call(["echo", "through"]).out == "through\n"
    assert scan("127.0.0.1", own_server.port, 5, jump=server.target) == own_server.host_key.public


def test_the_key_of_the_server_in_between_is_compared_too(
    own_server: sshd.SSHServer, server: sshd.SSHServer
) -> None:
    jump = replace(server.target, host_keys=(keys.make().public,))
    with pytest.raises(HostRefused) as refused:
        SSHHost(replace(own_server.target, jump=jump)).call(["true"])
    assert refused.value.code == "ssh_host_key_changed"
    assert "Connection from" not in own_server.log


class _Page(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(200)
        self.end_headers()
        self.wfile.write(hashlib.sha256(body).hexdigest().encode() + b"\n" + b"x" * 300_000)

    def log_message(self, *_: object) -> None:
        pass


@pytest.mark.parametrize("options", [(), ("AllowTcpForwarding no",)])
def test_http_works_also_where_forwarding_is_forbidden(tmp_path: Path, options: tuple[str, ...]) -> None:
    page = ThreadingHTTPServer(("127.0.0.1", 0), _Page)
    threading.Thread(target=page.serve_forever, daemon=True).start()
    body = random.randbytes(200_000)
    with sshd.server(tmp_path / "sshd", *options) as running:
        host = SSHHost(running.target, str(tmp_path / "root"))
        connection = http.client.HTTPConnection("127.0.0.1", page.server_port)
        connection.sock = host.connect(page.server_port, timeout=10)
        connection.request("POST", "/", body)
        answer = connection.getresponse().read().decode()
        connection.close()
        page.shutdown()
        page.server_close()
        assert answer == hashlib.sha256(body).hexdigest() + "\n" + "x" * 300_000
        with pytest.raises(ConnectionRefusedError):
            host.connect(page.server_port, timeout=5)


def test_a_login_shell_that_is_plain_sh_will_do(tmp_path: Path) -> None:
    if os.getuid():
        pytest.skip("only root may give itself another shell for a while")
    lines = Path("/etc/passwd").read_text().splitlines()
    changed = [line.rpartition(":")[0] + ":/bin/sh" if line.startswith("root:") else line for line in lines]
    (tmp_path / "passwd").write_text("\n".join(changed) + "\n")
    with sshd.server(tmp_path / "sshd", mounts={"/etc/passwd": tmp_path / "passwd"}) as running:
        host = SSHHost(running.target, str(tmp_path / "root"))
        assert (
            host.call(["sh", "-c", "echo $HOME 'it''s' \"$1\"", "sh", "a  b'c"]).out == "/root its a  b'c\n"
        )
        host.put("a", b"1")
        assert host.read("a") == b"1"


# --- what goes wrong in between -------------------------------------------------------------------


def test_five_threads_share_one_connection(own_server: sshd.SSHServer, tmp_path: Path) -> None:
    host = SSHHost(own_server.target, str(tmp_path / "root"))
    with ThreadPoolExecutor(5) as pool:
        answers = list(pool.map(lambda number: host.call(["echo", str(number)]).out, range(50)))
    assert answers == [f"{number}\n" for number in range(50)]
    assert own_server.log.count("Accepted publickey") == 1


def test_more_threads_than_the_server_allows_sessions_take_turns(
    own_server: sshd.SSHServer, tmp_path: Path
) -> None:
    host = SSHHost(own_server.target, str(tmp_path / "root"))
    with ThreadPoolExecutor(30) as pool:
        answers = list(pool.map(lambda number: host.call(["echo", str(number)]).out, range(150)))
    assert answers == [f"{number}\n" for number in range(150)]


def test_the_last_words_after_a_silence_are_heard(host: SSHHost) -> None:
    """A server may tell the exit code before the output that came with it."""
    with ThreadPoolExecutor(7) as pool:
        answers = pool.map(lambda _: host.call(["sh", "-c", "sleep 1.2; seq 2000"]).out, range(28))
    assert {answer.count("\n") for answer in answers} == {2000}


def test_a_flood_on_one_stream_does_not_block(host: SSHHost) -> None:
    result = host.call(["sh", "-c", "head -c 52428800 /dev/zero >&2; echo done"], timeout=60)
    assert (result.code, result.out, len(result.err)) == (0, "done\n", 1 << 20)


def test_a_job_is_read_whole_however_often_the_connection_drops(
    own_server: sshd.SSHServer, tmp_path: Path
) -> None:
    """Twenty drops at any moment; whatever was not answered is asked again."""
    with TCPProxy(own_server.port) as proxy:
        host = SSHHost(replace(own_server.target, port=proxy.port), str(tmp_path / "root"))
        script = "seq 1 100000 | awk '{print; if ($1 % 2000 == 0) system(\"sleep 0.03\")}'"
        stop = threading.Event()
        dropper = threading.Thread(target=_drop_often, args=(proxy, 20, stop))
        dropper.start()
        output, code, broken = b"", None, 0
        deadline = time.monotonic() + 60
        while code is None and time.monotonic() < deadline:
            try:
                host.start_job("chatty", script)
                state = host.poll_job("chatty", len(output), limit=20_000)
            except HostError:
                broken += 1
                continue
            output, code = output + state.output, state.code
        stop.set()
        dropper.join(timeout=10)
    expected = "".join(f"{number}\n" for number in range(1, 100_001)).encode()
    assert (code, len(output), output == expected) == (0, len(expected), True)
    assert proxy.dropped > 0
    assert broken > 0


def _drop_often(proxy: TCPProxy, times: int, stop: threading.Event) -> None:
    for _ in range(times):
        if stop.wait(random.uniform(0.02, 0.2)):
            return
        proxy.drop()


def test_a_file_is_whole_or_not_there_however_the_connection_drops(
    own_server: sshd.SSHServer, tmp_path: Path
) -> None:
    with TCPProxy(own_server.port) as proxy:
        host = SSHHost(replace(own_server.target, port=proxy.port), str(tmp_path / "root"))
        host.put("file", b"old")
        content = random.randbytes(3_000_000)
        for number in range(8):
            timer = threading.Timer(0.01 + number * 0.02, proxy.drop)
            timer.start()
            with suppress(HostError):
                host.put("file", content)
            timer.join()
            assert Path(host.root, "file").read_bytes() in (b"old", content)
        host.put("file", content)
        wait_until(lambda: os.listdir(host.root).count("file") == 1 and not list(
            Path(host.root).glob(".new.*")), "drafts are left")  # fmt: skip


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize("moment", ["while a command runs", "after a while of silence", "at once"])
def test_a_frozen_server_is_noticed(own_server: sshd.SSHServer, moment: str) -> None:
    """All constants are a tenth here: what takes 4.5 seconds takes 45 in earnest."""
    host = SSHHost(own_server.target)
    host.call(["true"])
    if moment == "after a while of silence":
        time.sleep(ssh_pool.SILENT_SECONDS + 0.1)
    if moment == "while a command runs":
        threading.Timer(0.2, own_server.freeze).start()
    else:
        own_server.freeze()
    started = time.monotonic()
    with pytest.raises(HostError):
        host.call(["sleep", "60"], timeout=60)
    assert time.monotonic() - started < 4.5
    own_server.thaw()
    wait_until(lambda: host.call(["true"]).ok, "it does not come back")


@pytest.mark.usefixtures("impatient")
def test_a_connection_that_falls_silent_is_noticed_and_replaced(own_server: sshd.SSHServer) -> None:
    with TCPProxy(own_server.port) as proxy:
        host = SSHHost(replace(own_server.target, port=proxy.port))
        host.call(["true"])
        proxy.swallow()
        time.sleep(ssh_pool.SILENT_SECONDS + 0.1)
        started = time.monotonic()
        assert host.call(["echo", "back"]).out == "back\n"
        assert time.monotonic() - started < 4.5


@pytest.mark.usefixtures("impatient")
def test_a_long_silent_command_of_a_healthy_server_is_left_alone(own_server: sshd.SSHServer) -> None:
    host = SSHHost(own_server.target)
    assert host.call(["sh", "-c", "sleep 5; echo done"], timeout=20).out == "done\n"


def test_a_restarted_server_is_found_again_without_an_error(own_server: sshd.SSHServer) -> None:
    host = SSHHost(own_server.target)
    host.call(["true"])
    own_server.stop()
    own_server.start()
    time.sleep(0.2)
    assert host.call(["echo", "again"]).out == "again\n"


def test_a_job_outlives_the_connection(own_server: sshd.SSHServer, tmp_path: Path) -> None:
    host = SSHHost(own_server.target, str(tmp_path / "root"))
    host.start_job("outlives", "sleep 1; echo done")
    own_server.stop()
    with pytest.raises(HostError):
        host.poll_job("outlives", 0)
    own_server.start()
    wait_until(lambda: host.poll_job("outlives", 0).code == 0, "it did not end")
    assert host.poll_job("outlives", 0).output == b"done\n"


def test_a_forked_process_opens_its_own_connection(own_server: sshd.SSHServer) -> None:
    host = SSHHost(own_server.target)
    host.call(["true"])
    child = os.fork()
    if child == 0:
        os._exit(0 if host.call(["echo", "child"]).out == "child\n" else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert host.call(["echo", "parent"]).out == "parent\n"
    assert own_server.log.count("Accepted publickey") == 2


def test_nothing_secret_is_told(server: sshd.SSHServer) -> None:
    secret = server.client.private.reveal().splitlines()[2]
    for thing in (server.target, SSHHost(server.target), POOL.get(server.target)):
        assert secret not in repr(thing) + str(thing)


def test_a_timeout_leaves_the_connection_for_others(own_server: sshd.SSHServer) -> None:
    host = SSHHost(own_server.target)
    with pytest.raises(HostTimeout, match="sleep did not end within 0.2 seconds"):
        host.call(["sleep", "60"], timeout=0.2)
    assert host.call(["echo", "on"]).out == "on\n"
    assert own_server.log.count("Accepted publickey") == 1
