"""A Git server on loopback: real `git http-backend` behind a small HTTP server, with an optional token."""

import base64
import os
import subprocess
import threading
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import urlsplit

GIT_ENVIRONMENT = {
    "PATH": os.environ["PATH"],
    "GIT_CONFIG_GLOBAL": "/dev/null",
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_AUTHOR_NAME": "Ada", "GIT_AUTHOR_EMAIL": "ada@example.org",
    "GIT_COMMITTER_NAME": "Ada", "GIT_COMMITTER_EMAIL": "ada@example.org",
}  # fmt: skip


class GitServer:
    """Serves bare repositories below a folder over HTTP; with a token, only to who knows it."""

    def __init__(self, folder: Path, *, token: str = "") -> None:
        self.folder = folder
        handler = type("Handler", (_Handler,), {"folder": folder, "token": token})
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self.base = f"http://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()

    def url(self, name: str) -> str:
        return f"{self.base}/acme/{name}.git"

    def commit(
        self, name: str, files: Mapping[str, str], *, message: str = "Change", branch: str = "main"
    ) -> str:
        """Make the repository when it is new, commit these files to it, and return the commit id."""
        bare = self.folder / "acme" / f"{name}.git"
        work = self.folder / "work" / name
        if not bare.exists():
            _git("init", "--quiet", "--bare", f"--initial-branch={branch}", str(bare))
            _git("init", "--quiet", f"--initial-branch={branch}", str(work))
        for path, text in files.items():
            (work / path).parent.mkdir(parents=True, exist_ok=True)
            (work / path).write_text(text)
        _git("-C", str(work), "add", "--all")
        _git("-C", str(work), "commit", "--quiet", "--allow-empty", "-m", message)
        _git("-C", str(work), "push", "--quiet", "--force", str(bare), f"HEAD:refs/heads/{branch}")
        return _git("-C", str(work), "rev-parse", "HEAD").strip()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


class _Handler(BaseHTTPRequestHandler):
    folder: Path
    token: str

    def do_GET(self) -> None:
        self._serve()

    def do_POST(self) -> None:
        self._serve()

    def log_message(self, format: str, *args: object) -> None:
        pass

    def _serve(self) -> None:
        if self.token and not self._knows_token():
            self.send_response(401)
            self.send_header("WWW-Authenticate", 'Basic realm="git"')
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        parts = urlsplit(self.path)
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        done = subprocess.run(
            ["git", "http-backend"], input=body, capture_output=True, timeout=30,
            env={
                **GIT_ENVIRONMENT,
                "GIT_PROJECT_ROOT": str(self.folder), "GIT_HTTP_EXPORT_ALL": "1",
                "PATH_INFO": parts.path, "QUERY_STRING": parts.query, "REQUEST_METHOD": self.command,
                "CONTENT_TYPE": self.headers.get("Content-Type", ""),
                "HTTP_CONTENT_ENCODING": self.headers.get("Content-Encoding", ""),
                "GIT_PROTOCOL": self.headers.get("Git-Protocol", ""),
            },
        )  # fmt: skip
        head, _, content = done.stdout.partition(b"\r\n\r\n")
        headers = dict(line.split(": ", 1) for line in head.decode().splitlines() if ": " in line)
        self.send_response(int(headers.pop("Status", "200 OK").split()[0]))
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def _knows_token(self) -> bool:
        scheme, _, code = self.headers.get("Authorization", "").partition(" ")
        if scheme != "Basic":
            return False
        return self.token in base64.b64decode(code).decode().split(":")


def _git(*arguments: str) -> str:
    return subprocess.run(
        ["git", *arguments], check=True, capture_output=True, text=True, timeout=30, env=GIT_ENVIRONMENT
    ).stdout
