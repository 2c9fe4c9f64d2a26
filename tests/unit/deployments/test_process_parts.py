"""Smaller parts of the process runtime: its log files, its network settings, the mapped port."""

import subprocess
import sys
from pathlib import Path

import pytest

from deployments.pipeline.runtimes.process_build.confine import all_but
from deployments.pipeline.runtimes.process_build.identity import FIRST_UID, UIDS, uid_for
from deployments.pipeline.runtimes.process_build.images import safe_name
from deployments.pipeline.runtimes.process_run import port_map
from deployments.pipeline.runtimes.process_run.logfile import LogFile, tail
from deployments.pipeline.runtimes.process_settings import build_environment


def test_the_log_keeps_the_newest_lines_in_two_files(tmp_path: Path) -> None:
    log = LogFile(tmp_path, limit=1000)
    for number in range(1000):
        log.write(f"line {number}\n".encode())
    assert tail(tmp_path, 3) == b"line 997\nline 998\nline 999\n"
    assert sum(path.stat().st_size for path in tmp_path.iterdir()) <= 2000
    assert len(tail(tmp_path, 10_000).splitlines()) > 100
    assert tail(tmp_path / "missing", 5) == b"" == tail(tmp_path, 0)


def test_only_the_way_to_the_package_index_is_passed_on(tmp_path: Path) -> None:
    (tmp_path / ".config/pip").mkdir(parents=True)
    (tmp_path / ".config/pip/pip.conf").write_text(
        "[global]\nindex-url = https://i.example/simple\ntrusted-host =\n  a\n  b\nuser = yes\n[install]\ncert = /c.pem\n"
    )
    environ = {"SECRET_KEY": "s", "PIP_CERT": "/other.pem", "HTTPS_PROXY": "http://p:1", "PATH": "/x"}
    found = build_environment(environ, tmp_path)
    assert found["PIP_INDEX_URL"] == "https://i.example/simple"
    assert found["PIP_TRUSTED_HOST"] == "a b"
    assert (found["PIP_CERT"], found["HTTPS_PROXY"]) == ("/other.pem", "http://p:1")
    assert not {"SECRET_KEY", "PATH", "PIP_USER"} & found.keys()


def test_a_broken_pip_configuration_is_passed_over(tmp_path: Path) -> None:
    (tmp_path / ".pip").mkdir()
    (tmp_path / ".pip/pip.conf").write_text("no section here")
    assert "PIP_NO_INPUT" in build_environment({}, tmp_path)


def test_an_application_keeps_its_user_over_all_its_images() -> None:
    assert uid_for("portal/app:1") == uid_for("portal/app:2") != uid_for("portal/other:1")
    assert FIRST_UID <= uid_for("x") < FIRST_UID + UIDS


def test_names_of_images_become_names_of_files_that_never_meet() -> None:
    names = {safe_name(name) for name in ("a/b:c", "a-b-c", "a/b-c", "../../etc", "a" * 300)}
    assert len(names) == 5
    assert all("/" not in name and "." not in name and len(name) < 80 for name in names)


def test_everything_but_some_folders_is_named_by_their_neighbours(tmp_path: Path) -> None:
    (tmp_path / "data/inner").mkdir(parents=True)
    (tmp_path / "public").mkdir()
    allowed = all_but([str(tmp_path / "data"), "/"])
    assert str(tmp_path / "public") in allowed
    assert not any(str(tmp_path / "data").startswith(each) for each in allowed)


BIND = """
import socket, sys
sys.path.insert(0, {folder!r})
import portal_port_map
with socket.socket({family}, socket.SOCK_STREAM) as server:
    server.bind(({host!r}, {port}))
    print(*server.getsockname()[:2])
"""


@pytest.mark.parametrize(
    ("family", "host", "port", "expected"),
    [
        ("socket.AF_INET", "0.0.0.0", 8000, "127.0.0.1 {free}"),
        ("socket.AF_INET", "", 8000, "127.0.0.1 {free}"),
        ("socket.AF_INET", "0.0.0.0", "{free}", "127.0.0.1 {free}"),
        ("socket.AF_INET6", "::", 8000, "::ffff:127.0.0.1 {free}"),
        ("socket.AF_INET", "127.0.0.2", 8000, "127.0.0.2 {free}"),
        ("socket.AF_INET", "0.0.0.0", "{other}", "0.0.0.0 {other}"),
    ],
)
def test_the_port_inside_becomes_the_loopback_port(
    tmp_path: Path, unused_tcp_port_factory: object, family: str, host: str, port: object, expected: str
) -> None:
    assert callable(unused_tcp_port_factory)
    numbers = {"free": unused_tcp_port_factory(), "other": unused_tcp_port_factory()}
    (tmp_path / "portal_port_map.py").write_text(Path(port_map.__file__).read_text())
    program = BIND.format(folder=str(tmp_path), family=family, host=host, port=str(port).format(**numbers))
    result = subprocess.run(
        [sys.executable, "-I", "-c", program],
        capture_output=True, text=True, timeout=20, env={"PORTAL_PORT_MAP": f"8000:{numbers['free']}"},
    )  # fmt: skip
    assert result.stdout.strip() == expected.format(**numbers), result.stderr
