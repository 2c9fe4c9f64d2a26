"""Small applications as repositories: one that works, and each way of being broken."""

DOCKERFILE = """\
FROM python:3.11-slim
WORKDIR /app
COPY . .
EXPOSE 8000
CMD ["python", "-u", "app.py"]
"""

APP = """\
import http.server, json, os, sys, threading, time
VERSION = "{version}"
print("starting", VERSION)
{before}

class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def do_GET(self):
        {answer}
        body = json.dumps({{"version": VERSION, "env": {{k: v for k, v in os.environ.items() if k.startswith("APP_")}}}}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
    def log_message(self, *args):
        pass

http.server.ThreadingHTTPServer(("{bind}", {port}), Handler).serve_forever()
"""


def app(
    version: str,
    *,
    before: str = "",
    answer: str = "pass",
    bind: str = "0.0.0.0",
    port: str = 'int(os.environ["PORT"])',
) -> dict[str, str]:
    """The files of an application that says its version."""
    text = APP.format(version=version, before=before, answer=answer, bind=bind, port=port)
    return {"Dockerfile": DOCKERFILE, "app.py": text}


# Name → the files of a broken second version, and the failure codes that name what is wrong.
BROKEN = {
    "crash at start": (app("broken", before="sys.exit('MODEL_PATH is not set')"), {"container_exited"}),
    "wrong port": (app("broken", port="int(os.environ['PORT']) + 5000"), {"wrong_port"}),
    "answers 500": (app("broken", answer="self.send_error(500); return"), {"health_error"}),
    "exits after 20 s": (
        app("broken", before="threading.Timer(20, lambda: os._exit(7)).start()"),
        {"died_after_switch", "container_exited"},
    ),
    "never listens, exits after 20 s": (
        app("broken", before="time.sleep(20); os._exit(7)"),
        {"container_exited"},
    ),
}
