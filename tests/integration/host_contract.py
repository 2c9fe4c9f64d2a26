"""What every host does: the same tests for this machine, for a server, and for the fake that stands in."""

import socket
import threading
import time

import pytest

from instances.hosts.base import Host, HostError, HostTimeout, Result, StaleFence
from tests.fakes import FakeHost


class HostContract:
    """Whoever inherits brings a fixture `host`."""

    def test_a_command_gives_back_what_it_printed(self, host: Host) -> None:
        assert host.call(["echo", "hello"]) == Result(0, "hello\n", "")

    def test_a_command_reads_its_input(self, host: Host) -> None:
        assert host.call(["cat"], input=b"given") == Result(0, "given", "")

    def test_a_command_that_fails_is_a_result(self, host: Host) -> None:
        assert host.call(["sh", "-c", "echo no >&2; exit 3"]) == Result(3, "", "no\n")

    def test_a_command_that_is_not_installed_ends_with_127(self, host: Host) -> None:
        result = host.call(["no-such-program", "x"])
        assert (result.code, result.err) == (127, "no-such-program: command not found\n")

    def test_a_command_that_takes_too_long_raises(self, host: Host) -> None:
        with pytest.raises(HostTimeout, match=r"sleep did not end within 0\.1 seconds"):
            host.call(["sleep", "60"], timeout=0.1)

    def test_a_file_is_written_read_and_removed(self, host: Host) -> None:
        host.put("files/a/b.txt", b"content", mode=0o600)
        assert host.read("files/a/b.txt") == b"content"
        assert host.read("files/a/b.txt", limit=3) == b"con"
        host.remove("files/a/b.txt")
        assert host.read("files/a/b.txt") is None

    def test_a_folder_is_removed_with_what_is_in_it(self, host: Host) -> None:
        host.put("files/a/b.txt", b"")
        host.put("files/ab.txt", b"")
        host.remove("files/a")
        host.remove("files/a")
        assert host.read("files/a/b.txt") is None
        assert host.read("files/ab.txt") == b""

    @pytest.mark.parametrize("path", ["", "/etc/passwd", "../x", "a/../../x", "a//b", "a/./b", "a/", "a\0b"])
    def test_a_path_that_leads_elsewhere_is_refused(self, host: Host, path: str) -> None:
        for act in (host.read, host.remove, lambda path: host.put(path, b"")):
            with pytest.raises(ValueError, match="not a plain path"):
                act(path)

    def test_a_job_tells_its_output_and_its_code(self, host: Host) -> None:
        host.start_job("talk", "echo one; echo two; exit 4")
        assert end_of(host, "talk") == (b"one\ntwo\n", 4)

    def test_a_job_started_again_does_not_run_again(self, host: Host) -> None:
        host.start_job("talk", "echo one; echo two; exit 4")
        host.start_job("talk", "echo another")
        end_of(host, "talk")
        host.start_job("talk", "echo another")
        assert end_of(host, "talk") == (b"one\ntwo\n", 4)

    def test_the_code_comes_with_the_last_piece_only(self, host: Host) -> None:
        host.start_job("talk", "echo one; echo two; exit 4")
        end_of(host, "talk")
        assert host.poll_job("talk", 0, limit=4).code is None
        assert host.poll_job("talk", 4, limit=4).code == 4
        assert host.poll_job("talk", 8).code == 4

    def test_an_unknown_job_is_a_key_error(self, host: Host) -> None:
        with pytest.raises(KeyError):
            host.poll_job("never", 0)
        host.stop_job("never")
        host.forget_job("never")

    def test_a_job_that_is_stopped_ends_with_the_signal(self, host: Host) -> None:
        host.start_job("run", "exec sleep 60")
        assert host.poll_job("run", 0).code is None
        host.stop_job("run")
        # A shell may still say that its child was terminated.
        assert end_of(host, "run")[1] == 143

    def test_a_forgotten_job_is_gone_with_its_files_and_may_be_started_anew(self, host: Host) -> None:
        host.put("files/talk/variables", b"")
        host.start_job("talk", "echo one; echo two; exit 4")
        end_of(host, "talk")
        host.forget_job("talk")
        assert host.read("files/talk/variables") is None
        with pytest.raises(KeyError):
            host.poll_job("talk", 0)
        host.start_job("talk", "echo one; echo two; exit 4")
        assert end_of(host, "talk") == (b"one\ntwo\n", 4)

    def test_a_running_job_is_not_forgotten(self, host: Host) -> None:
        host.start_job("run", "exec sleep 60")
        with pytest.raises(HostError, match="still runs"):
            host.forget_job("run")
        host.stop_job("run")
        end_of(host, "run")

    def test_a_lower_fence_is_refused_also_for_a_job_that_exists(self, host: Host) -> None:
        host.start_job("first", "true", fence=("app", 5))
        host.start_job("second", "true", fence=("app", 5))
        for job in ("first", "third"):
            with pytest.raises(StaleFence):
                host.start_job(job, "true", fence=("app", 4))
        host.start_job("other", "true", fence=("another", 1))
        with pytest.raises(KeyError):
            host.poll_job("third", 0)

    @pytest.mark.parametrize("name", ["", "../x", "a/b", "-rf", ".hidden", "a b", "a\n", "x" * 201])
    def test_a_name_unfit_for_a_file_is_refused(self, host: Host, name: str) -> None:
        with pytest.raises(ValueError, match="cannot name"):
            host.start_job(name, "true")
        with pytest.raises(ValueError, match="cannot name"):
            host.start_job("fine", "true", fence=(name, 1))

    def test_a_listening_port_can_be_reached_and_is_not_free(self, host: Host) -> None:
        with socket.create_server(("127.0.0.1", 0)) as server:
            port = int(server.getsockname()[1])
            if isinstance(host, FakeHost):
                host.listeners[port] = b"hello"
            else:
                threading.Thread(target=_say_hello, args=(server,)).start()
            with host.connect(port, timeout=5) as connection:
                assert connection.recv(100) == b"hello"
            assert not host.free_port(port)

    def test_a_port_where_nobody_listens_is_free_and_refuses(self, host: Host) -> None:
        with socket.socket() as unused:
            unused.bind(("127.0.0.1", 0))
            port = int(unused.getsockname()[1])
            assert host.free_port(port)
            with pytest.raises(ConnectionRefusedError):
                host.connect(port, timeout=5)


def end_of(host: Host, id: str) -> tuple[bytes, int]:
    output, deadline = b"", time.monotonic() + 10
    while time.monotonic() < deadline:
        state = host.poll_job(id, len(output))
        output += state.output
        if state.code is not None:
            return output, state.code
        time.sleep(0.01)
    raise AssertionError("the job did not end")


def _say_hello(server: socket.socket) -> None:
    connection, _ = server.accept()
    with connection:
        connection.sendall(b"hello")
