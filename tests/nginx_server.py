"""A real NGINX as an ordinary process, with all that it has in one folder."""

import contextlib
import os
import shutil
import signal
import time
from collections.abc import Iterator
from pathlib import Path

from deployments.pipeline.proxies.nginx import NginxProxy
from deployments.pipeline.proxies.nginx_rendering import Layout
from instances.hosts.local import LocalHost
from tests.integration.http_tools import free_port

MAIN = """{user}
worker_processes 2;
pid {folder}/nginx.pid;
events {{ worker_connections 512; }}
http {{
  client_body_temp_path {folder}/body;
  proxy_temp_path {folder}/proxied;
  fastcgi_temp_path {folder}/fastcgi;
  uwsgi_temp_path {folder}/uwsgi;
  scgi_temp_path {folder}/scgi;
  access_log off;
  include {folder}/conf.d/*.conf;
}}
"""


def installed() -> bool:
    return shutil.which("nginx") is not None


def layout_in(folder: Path) -> Layout:
    folder.mkdir(parents=True, exist_ok=True)
    user = "user root;" if os.geteuid() == 0 else ""
    (folder / "nginx.conf").write_text(MAIN.format(folder=folder, user=user))
    (folder / "conf.d").mkdir(exist_ok=True)
    (folder / "acme").mkdir(exist_ok=True)
    return Layout(
        conf=str(folder),
        logs=str(folder),
        pid_file=str(folder / "nginx.pid"),
        challenges=str(folder / "acme"),
        certificates=str(folder / "live"),
        control=free_port(),
        http=free_port(),
        https=free_port(),
        command=("nginx", "-e", str(folder / "error.log"), "-c", str(folder / "nginx.conf")),
        service="",
    )


@contextlib.contextmanager
def running(folder: Path) -> Iterator[NginxProxy]:
    """A proxy that runs, and ends with the test."""
    layout = layout_in(folder / "nginx")
    proxy = NginxProxy(LocalHost(folder / "host"), address="127.0.0.1", layout=layout)
    proxy.ensure()
    try:
        yield proxy
    finally:
        end(layout)


def end(layout: Layout) -> None:
    pid_file = Path(layout.pid_file)
    with contextlib.suppress(FileNotFoundError, ProcessLookupError):
        os.kill(int(pid_file.read_text()), signal.SIGTERM)
        deadline = time.monotonic() + 10
        while pid_file.exists() and time.monotonic() < deadline:
            time.sleep(0.02)
