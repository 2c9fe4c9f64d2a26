"""The built-in proxy as the portal drives it: started when it does not answer, told over its socket."""

import json
import os
import socket
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from deployments.pipeline.proxies.base import PortTaken, Route, SiteStatus
from deployments.pipeline.proxies.server import RUNS_ALREADY
from instances.hosts import processes
from instances.hosts.base import HostError

SOURCE = Path(__file__).resolve().parents[3]
ANSWER_SECONDS = 3
START_SECONDS = 10
ANSWER_LIMIT = 16 * 1024 * 1024


class BuiltinProxy:
    """A proxy on this machine that lives in `directory`, apart from the portal's processes."""

    def __init__(
        self, directory: Path, *, bind: str, public_host: str = "", strip_cookies: Sequence[str] = ()
    ) -> None:
        self.directory = directory.absolute()
        self.bind = bind
        self.public_host = public_host or _reachable_name(bind)
        self.strip_cookies = tuple(strip_cookies)

    def __repr__(self) -> str:
        return f"BuiltinProxy({str(self.directory)!r}, bind={self.bind!r})"

    def ensure(self) -> None:
        known = self._settings_of_running()
        if known == self._settings():
            return
        if known is not None:
            # It was started for other settings. What is under way there is finished.
            self._ask({"op": "stop"})
        self.directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._start()

    def apply(self, route: Route) -> None:
        self._ask({"op": "apply", "route": route.ports()})

    def remove(self, site: str) -> None:
        self._ask({"op": "remove", "site": site})

    def status(self) -> dict[str, SiteStatus]:
        sites: dict[str, dict[str, Any]] = self._ask({"op": "status"})["sites"]
        return {name: _site_status(site) for name, site in sites.items()}

    def address(self, route: Route) -> str:
        name = f"[{self.public_host}]" if ":" in self.public_host else self.public_host
        return f"http://{name}:{route.public_port}/"

    def _command(self) -> list[str]:
        program = ["env", f"PYTHONPATH={SOURCE}", sys.executable, "-P", "-s"]
        module = ["-m", "deployments.pipeline.proxies.server", "--detach"]
        options = ["--dir", str(self.directory), "--bind", self.bind]
        return [*program, *module, *options, "--strip-cookies", ",".join(self.strip_cookies)]

    def _settings(self) -> dict[str, Any]:
        return {"bind": self.bind, "strip_cookies": sorted(self.strip_cookies)}

    def _settings_of_running(self) -> dict[str, Any] | None:
        try:
            settings: dict[str, Any] = self._ask({"op": "ping"})["settings"]
        except HostError:
            return None
        return settings

    def _start(self) -> None:
        """Several may try at once; all return when one proxy answers."""
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline:
            result = processes.run(
                self._command(), input=b"", timeout=START_SECONDS, folder=str(self.directory)
            )
            if result.ok:
                return
            if result.code != RUNS_ALREADY:
                raise HostError(f"The proxy could not be started: {result.err.strip()[-500:]}")
            if self._settings_of_running() == self._settings():
                return
            time.sleep(0.05)
        raise HostError("The proxy runs but does not answer.")

    def _ask(self, order: dict[str, Any]) -> dict[str, Any]:
        """Give an order, and return the answer once it was carried out."""
        try:
            line = self._exchange(json.dumps(order).encode() + b"\n", time.monotonic() + ANSWER_SECONDS)
            answer: dict[str, Any] = json.loads(line)
        except (OSError, ValueError) as error:
            raise HostError(f"The proxy does not answer: {error}.") from error
        if answer.get("ok"):
            return answer
        if answer.get("code") == "port_taken":
            raise PortTaken(answer["message"])
        raise HostError(f"The proxy refused: {answer.get('message')}")

    def _exchange(self, line: bytes, deadline: float) -> bytes:
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(ANSWER_SECONDS)
            folder = os.open(self.directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            try:
                # By way of the descriptor, since the path of a unix socket must be short.
                connection.connect(f"/proc/self/fd/{folder}/control.sock")
            finally:
                os.close(folder)
            connection.sendall(line)
            return _read_line(connection, deadline)


def _read_line(connection: socket.socket, deadline: float) -> bytes:
    answer = bytearray()
    while not answer.endswith(b"\n"):
        connection.settimeout(max(0.001, deadline - time.monotonic()))
        piece = connection.recv(1 << 16)
        if not piece or len(answer) > ANSWER_LIMIT:
            raise ConnectionResetError("it hung up")
        answer += piece
    return bytes(answer)


def _site_status(site: dict[str, Any]) -> SiteStatus:
    in_flight = {int(port): number for port, number in site["in_flight"].items()}
    return SiteStatus(Route(**site["route"]), in_flight, site["error"])


def _reachable_name(bind: str) -> str:
    """The address itself, or the machine's name when it listens on all of them."""
    return socket.gethostname() if bind in ("0.0.0.0", "::") else bind  # noqa: S104
