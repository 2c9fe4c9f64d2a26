"""A bare server is made ready over SSH as the pipeline does it, while its first boot does the same."""

import secrets
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from deployments.pipeline.proxies.base import PortTaken, Route
from deployments.pipeline.proxies.nginx import NginxProxy
from instances import bootstrap
from instances.hosts.facts import read_facts
from instances.hosts.ssh import SSHHost, Target
from portal.core.secrets import Secret
from tests.e2e.cloud import Cloud, held

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.cloudbox,
    pytest.mark.timeout(300),
]

IMAGE = "python:3.11-slim"
# Holds the package manager's own lock, as the updates at the first boot of a server do.
HOLD = "import fcntl, time; f = open('/var/lib/dpkg/lock-frontend', 'w'); fcntl.lockf(f, fcntl.LOCK_EX); time.sleep(12)"
APPLICATION = "cd /srv && exec python3 -m http.server --bind 127.0.0.1 21000"


@pytest.fixture(scope="module")
def server() -> Iterator[tuple[SSHHost, str]]:
    """A server as its provider hands it over, and its address."""
    cloud, name = Cloud(), f"bootstrap-{secrets.token_hex(3)}"
    with held(alone=False):
        made = cloud.add_server(name)
        try:
            key, host_key = Path(made["key_file"]).read_text(), " ".join(made["host_key"].split()[:2])
            yield (
                SSHHost(Target(made["address"], 22, made["user"], Secret(key), (host_key,))),
                made["address"],
            )
        finally:
            cloud.remove_server(name)


def run(host: SSHHost, id: str, script: str) -> None:
    host.start_job(id, script)


def finish(host: SSHHost, id: str, seconds: float = 150) -> tuple[int, str]:
    deadline, output = time.monotonic() + seconds, b""
    while time.monotonic() < deadline:
        state = host.poll_job(id, len(output))
        output += state.output
        if state.code is not None:
            return state.code, output.decode()
        time.sleep(0.1)
    raise AssertionError(f"{id} does not end: {output.decode()[-2000:]}")


def test_a_bare_server_becomes_ready(server: tuple[SSHHost, str]) -> None:
    """In the order of a new machine: busy with updates, its own boot run, the pipeline's step beside it."""
    host, _ = server
    before = read_facts(host)
    assert (before["docker"], before["nginx"], before["portal_ready"]) == ("", "", False)
    run(host, "updates", f'exec python3 -c "{HOLD}"')

    run(host, "boot", bootstrap.script(part=["all", IMAGE]))
    time.sleep(1)
    run(host, "step", bootstrap.script(part=["docker"]))
    code, said = finish(host, "step")

    assert code == 0, said
    assert "waiting: another run of this script is at work" in said
    assert "lock" in said
    assert host.call(["docker", "version"]).ok
    code, said = finish(host, "boot")
    assert code == 0, said
    assert host.call(["docker", "image", "inspect", IMAGE]).ok
    after = read_facts(host)
    assert after["docker"]
    assert after["nginx"]
    assert after["git"]
    assert after["portal_ready"] is True
    assert 80 in after["open_ports"]


def test_what_is_ready_is_left_alone_within_moments(server: tuple[SSHHost, str]) -> None:
    host, _ = server
    before = host.call(["cat", "/var/log/dpkg.log"]).out
    began = time.monotonic()
    run(host, "again", bootstrap.script(part=["all", IMAGE]))
    code, said = finish(host, "again")

    assert (code, said) == (0, "portal-bootstrap: all is there\n")
    assert time.monotonic() - began < 5
    assert host.call(["cat", "/var/log/dpkg.log"]).out == before


def test_the_server_then_serves_a_site_instead_of_the_welcome_page(server: tuple[SSHHost, str]) -> None:
    host, address = server
    host.call(["sh", "-c", "mkdir -p /srv && echo from-the-application >/srv/index.html"])
    run(host, "application", APPLICATION)
    proxy, route = NginxProxy(host, address=address), Route("a" * 32, 80, 21000)
    deadline = time.monotonic() + 10
    while host.free_port(21000):
        assert time.monotonic() < deadline

    proxy.apply(route)

    # The very next answer comes from the application, never from an old worker.
    with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(proxy.address(route)) as answer:
        assert answer.read() == b"from-the-application\n"
    with pytest.raises(PortTaken):
        proxy.apply(Route("b" * 32, 22, 21000))
    assert set(proxy.status()) == {"a" * 32}
    host.stop_job("application")
