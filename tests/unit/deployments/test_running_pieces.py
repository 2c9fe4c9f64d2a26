"""Reading a container's log in pieces: nothing is lost, nothing comes twice, whatever happens in between."""

from pathlib import Path

import pytest

from deployments.pipeline.runtimes import docker_logs, log_pieces, process_logs
from deployments.pipeline.runtimes.docker_logs import SCRIPT
from deployments.pipeline.runtimes.log_pieces import NoContainer
from instances.hosts.base import HostError, Result
from instances.hosts.local import LocalHost
from tests.fakes import FakeHost

NAME = "portal-shop-dev-1a2b3c4d"
FIRST, SECOND = "2026-01-31T12:00:00.000000001Z", "2026-01-31T12:00:00.000000002Z"


@pytest.fixture
def host(tmp_path: Path) -> LocalHost:
    return LocalHost(tmp_path / "host")


@pytest.fixture
def folder(host: LocalHost) -> Path:
    made = Path(host.root) / "containers" / NAME
    made.mkdir(parents=True)
    return made


def add(path: Path, text: bytes) -> None:
    with path.open("ab") as file:
        file.write(text)


def read_all(host: LocalHost, cursor: str = "") -> list[bytes]:
    found: list[bytes] = []
    for _ in range(50):
        piece = process_logs.read_on(host, NAME, cursor)
        found += piece.lines
        cursor = piece.cursor
        if not piece.more:
            return found
    raise AssertionError("It never came to an end.")


# --- the process runtime ---------------------------------------------------------------------------


def test_the_last_lines_and_what_comes_after_them(host: LocalHost, folder: Path) -> None:
    add(folder / "log", b"one\ntwo\nthree\n")
    newest = process_logs.read_newest(host, NAME, lines=2)
    add(folder / "log", b"four\n\nfi")

    following = process_logs.read_on(host, NAME, newest.cursor)
    add(folder / "log", b"ve\n")

    assert newest.lines == (b"two", b"three")
    assert following.lines == (b"four", b"")
    assert process_logs.read_on(host, NAME, following.cursor).lines == (b"five",)


def test_a_full_file_that_was_put_aside_is_read_to_its_end(host: LocalHost, folder: Path) -> None:
    add(folder / "log", b"one\n")
    cursor = process_logs.read_newest(host, NAME, lines=5).cursor
    add(folder / "log", b"two\n")
    (folder / "log").rename(folder / "log.1")
    add(folder / "log", b"three\n")

    assert read_all(host, cursor) == [b"two", b"three"]
    assert process_logs.read_newest(host, NAME, lines=5).lines == (b"one", b"two", b"three")


def test_more_than_one_piece_is_read_without_a_hole(
    host: LocalHost, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(process_logs, "PIECE_BYTES", 1000)
    written = [f"line {number} äöü".encode() for number in range(500)]
    add(folder / "log.1", b"\n".join(written[:300]) + b"\n")
    add(folder / "log", b"\n".join(written[300:]) + b"\n")

    assert read_all(host) == written


def test_a_container_that_was_made_anew_is_read_from_its_beginning(host: LocalHost, folder: Path) -> None:
    add(folder / "log", b"a long line of the first one\n")
    cursor = process_logs.read_newest(host, NAME, lines=5).cursor
    (folder / "log").unlink()
    add(folder / "log", b"new\n")

    assert read_all(host, cursor) == [b"new"]


@pytest.mark.parametrize("cursor", ["../../etc:1", "$(id):1", "1-1:-5", "x" * 60])
def test_a_cursor_that_is_none_begins_anew(host: LocalHost, folder: Path, cursor: str) -> None:
    add(folder / "log", b"one\n")

    assert read_all(host, cursor) == [b"one"]


def test_what_is_not_there_is_said(host: LocalHost) -> None:
    with pytest.raises(NoContainer):
        process_logs.read_newest(host, NAME, lines=1)
    with pytest.raises(ValueError, match="cannot name a container"):
        process_logs.read_on(host, "../../../etc", "")


def test_a_container_that_has_written_nothing_has_no_lines(host: LocalHost, folder: Path) -> None:
    assert process_logs.read_newest(host, NAME, lines=5).lines == ()


# --- the engine ------------------------------------------------------------------------------------


def engine(out: str, code: str = "0") -> FakeHost:
    return FakeHost({("sh", "-c", SCRIPT): Result(0, out, f"{code}\n")})


def test_lines_of_the_same_time_are_read_once() -> None:
    newest = docker_logs.read_newest(engine(f"{FIRST} a\n{SECOND} b\n{SECOND} c\n"), NAME, lines=3)
    # The engine includes the time that it is asked for.
    following = docker_logs.read_on(engine(f"{SECOND} b\n{SECOND} c\n{SECOND} d\n"), NAME, newest.cursor)
    last = docker_logs.read_on(engine(f"{SECOND} b\n{SECOND} c\n{SECOND} d\n"), NAME, following.cursor)

    assert newest.cursor == f"{SECOND}~2"
    assert following.lines == (f"{SECOND} d".encode(),)
    assert following.cursor == f"{SECOND}~3"
    assert last.lines == () and last.cursor == following.cursor


def test_the_engine_is_asked_from_the_cursor_on() -> None:
    host = engine("")
    docker_logs.read_on(host, NAME, f"{FIRST}~1")

    words = host.commands[0][3:]
    assert words == [
        "sh", "head", str(log_pieces.PIECE_BYTES),
        "docker", "logs", "--timestamps", f"--since={FIRST}", "--", NAME,
    ]  # fmt: skip


def test_no_foreign_text_reaches_the_client() -> None:
    host = engine("")
    docker_logs.read_on(host, NAME, "--details;id~1")

    assert not any("details" in word for word in host.commands[0])
    with pytest.raises(ValueError, match="cannot name a container"):
        docker_logs.read_on(host, "x --follow", "")


def test_a_line_that_is_cut_by_the_end_of_a_piece_is_left_for_the_next(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    whole = f"{FIRST} a\n{SECOND} bbbb"
    monkeypatch.setattr(docker_logs, "PIECE_BYTES", len(whole))

    piece = docker_logs.read_on(engine(whole, code="141"), NAME, "")

    assert piece.lines == (f"{FIRST} a".encode(),)
    assert piece.more and piece.cursor == f"{FIRST}~1"


@pytest.mark.parametrize(
    ("said", "error"),
    [
        ("Error response from daemon: No such container: x", NoContainer),
        ("Cannot connect to the Docker daemon at unix:///var/run/docker.sock.", HostError),
        ("something else", HostError),
    ],
)
def test_the_clients_errors_are_told_apart(said: str, error: type[Exception]) -> None:
    with pytest.raises(error):
        docker_logs.read_newest(engine(said, code="1"), NAME, lines=1)
