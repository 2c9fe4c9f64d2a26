"""The process runtime builds and runs real Dockerfiles, with real processes and no network."""

import json
import os
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from deployments.pipeline.progress import Done, Skipped, StepFailed, Wait
from deployments.pipeline.runtimes.base import BuildSpec
from deployments.pipeline.runtimes.process_build.identity import FIRST_UID
from deployments.pipeline.runtimes.process_build.images import safe_name
from tests.process_runtime import Machine, free_port, get, machine, wheel

ROOT = Path(__file__).resolve().parents[2]
DOCKERFILE = 'FROM python:3.11-slim\nWORKDIR /app\nCOPY . .\nEXPOSE 8000\nCMD ["python", "app.py"]\n'
# Answers every path with its environment, and listens where it is told.
SERVER = """
import http.server, json, os, sys

class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        body = json.dumps({"env": dict(os.environ), "uid": os.getuid(), "cwd": os.getcwd(), "argv": sys.argv}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

port = int(PORT)
print("listening", flush=True)
http.server.ThreadingHTTPServer(("0.0.0.0", port), Handler).serve_forever()
"""
OBEDIENT = SERVER.replace("int(PORT)", "int(os.environ['PORT'])")
IDLE = "import time\nprint('here', flush=True)\ntime.sleep(600)\n"


@pytest.fixture
def place() -> Iterator[Machine]:
    with machine() as made:
        yield made


@pytest.fixture(scope="module")
def shared() -> Iterator[Machine]:
    with machine() as made:
        yield made


def ask(port: int) -> dict[str, object]:
    answer: dict[str, object] = json.loads(get(port)[1])
    return answer


# --- building --------------------------------------------------------------------------------------


def test_a_build_is_found_the_second_time(shared: Machine) -> None:
    spec, output = shared.build({"Dockerfile": DOCKERFILE, "app.py": OBEDIENT})
    image = shared.runtime.find_image(spec.image)
    assert "with Python 3.11" in output
    assert image is not None and image.digest.startswith("sha256:") and image.size > 1000
    assert isinstance(shared.runtime.build(shared.start_build(replace(spec)), spec), Skipped)


def test_the_same_content_has_the_same_digest(shared: Machine) -> None:
    digests = set()
    for text in ("print(1)", "print(1)", "print(2)"):
        spec, _ = shared.build({"Dockerfile": DOCKERFILE, "app.py": text})
        image = shared.runtime.find_image(spec.image)
        assert image is not None
        digests.add(image.digest)
    assert len(digests) == 2


STAGES = """\
# syntax=docker/dockerfile:1
ARG BASE=python:3.11-slim
FROM ${BASE} AS Base
ENV GREETING=hello
RUN mkdir /shared && echo "$GREETING" > /shared/greeting

FROM base AS builder
COPY *.whl /wheels/
RUN pip install --no-cache-dir --no-index --prefix=/install /wheels/tiny-1.0-py3-none-any.whl
RUN python -m venv --without-pip /opt/venv && \\
    # the second way
    pip --python /opt/venv/bin/python install --no-index /wheels/other-1.0-py3-none-any.whl

FROM base
LABEL a=b
COPY --from=builder --chown=app:app /install /usr/local
COPY --from=builder /opt/venv /opt/venv
RUN useradd -m app && chown -R app /opt && pip install --user --no-index --no-cache-dir /dev/null --version || true
WORKDIR /srv/app
RUN <<EOF
set -e
tiny > said
/opt/venv/bin/other >> said
cat /shared/greeting >> said
EOF
COPY <<CONF conf/app.ini
greeting=$GREETING
CONF
COPY --chmod=755 run.sh /usr/bin/run-it
RUN python - <<'EOF' && touch "/etc/made by run"
open("python-was-here", "w").write("$GREETING")
EOF
USER app
ENTRYPOINT ["run-it"]
CMD ["--port", "8000"]
"""
SAY = "def main(): print('I am {}')\n"


def test_stages_wheels_virtual_environments_and_heredocs(shared: Machine) -> None:
    files: dict[str, str | bytes] = {
        "Dockerfile": STAGES,
        "tiny-1.0-py3-none-any.whl": wheel("tiny", "1.0", SAY.format("tiny")),
        "other-1.0-py3-none-any.whl": wheel("other", "1.0", SAY.format("other")),
        "run.sh": '#!/bin/sh\ncat /srv/app/said\necho "args: $*"\nexec sleep 600\n',
    }
    spec, output = shared.build(files)
    root = shared.root_of(spec)
    assert (root / "srv/app/said").read_text() == "I am tiny\nI am other\nhello\n", output
    assert (root / "srv/app/conf/app.ini").read_text() == "greeting=hello\n"
    assert (root / "srv/app/python-was-here").read_text() == "$GREETING"
    assert (root / "etc/made by run").exists() and not Path("/etc/made by run").exists()
    assert "useradd is skipped" in output and "chown is skipped" in output
    assert not [path for path in root.parent.iterdir() if path.name != "root"]
    run = shared.run(spec, "stages")
    log = shared.wait_for_log("stages", "args:")
    assert f"I am tiny\nI am other\nhello\nargs: --port {run.host_port}\n" in log
    shared.runtime.remove("stages")


def test_what_needs_an_engine_is_refused_before_anything_is_made(place: Machine) -> None:
    spec = place.spec({"Dockerfile": "FROM python:3.11\nRUN apt-get update\nCMD x"})
    with pytest.raises(StepFailed) as caught:
        place.start_build(spec)
    assert caught.value.code == "process_cannot" and "line 2" in caught.value.detail
    assert "install a Docker engine" in caught.value.detail and caught.value.evidence["line"] == 2
    assert not Path(place.host.root, "images").exists()


FAILURES = {
    "a package manager that only shows when it runs": (
        "FROM python:3.11\nCOPY s.sh /s.sh\nRUN sh /s.sh\nCMD x", "process_cannot", "line 3: RUN calls apt-get"),
    "a failing command": ("FROM python:3.11\nRUN echo oh && exit 3\nCMD x", "build_command_failed", "line 2: the command ended with exit code 3"),
    "a missing file": ("FROM python:3.11\nCOPY missing /x\nCMD x", "build_failed", "missing is not in the repository"),
    "a file from above": ("FROM python:3.11\nCOPY ../../outside /x\nCMD x", "build_failed", "is not in the repository"),
    "an unreadable file": ("FROM python:3.11\nFOO\nCMD x", "dockerfile_invalid", "line 2"),
}  # fmt: skip


@pytest.mark.parametrize(("dockerfile", "code", "detail"), FAILURES.values(), ids=FAILURES)
def test_a_failed_build_names_the_line_and_leaves_nothing(
    shared: Machine, dockerfile: str, code: str, detail: str
) -> None:
    spec = shared.spec({"Dockerfile": dockerfile, "s.sh": "set -e\napt-get install x\n"})
    Path(shared.host.root, "checkouts/outside").write_text("secret")
    with pytest.raises(StepFailed) as caught:
        shared.finish_build(spec, shared.start_build(spec))
    assert caught.value.code == code
    assert detail in caught.value.detail
    assert shared.runtime.find_image(spec.image) is None
    assert not list(Path(shared.host.root, "images").glob(f"{safe_name(spec.image)}.*/"))


def test_nothing_is_written_outside_of_the_image(place: Machine) -> None:
    outside = place.base / "outside"
    outside.mkdir(mode=0o755)
    script = f"""
import os
tried = ["/etc/escaped", "{outside}/escaped", "{place.host.root}/escaped", "{place.host.root}/images/escaped"]
for path in tried:
    try:
        open(path, "w").write("x")
        print("ESCAPED", path)
    except OSError:
        print("held", path)
"""
    dockerfile = (
        "FROM python:3.11\nWORKDIR /app\nCOPY . .\nRUN touch /etc/escaped2 && python escape.py\n"
        f"RUN ln -s {outside} out; ln -s ../../../../../../../../..{outside} up; touch out/escaped3 up/escaped3; true\n"
        "COPY escape.py /app/out/escaped4\nCOPY escape.py /../../../escaped5\nCMD python escape.py"
    )
    spec, output = place.build({"Dockerfile": dockerfile, "escape.py": script})
    assert output.count("held") == 4 and "ESCAPED" not in output
    place.run(spec)
    log = place.wait_for("one", lambda container: not container.running) and place.runtime.logs("one")
    assert log.count("held") == 4 and "ESCAPED" not in log
    assert list(outside.iterdir()) == []
    assert not list(Path("/etc").glob("escaped*"))
    assert {path.name for path in place.base.iterdir()} == {"host", "outside"}


def test_links_of_the_checkout_lead_nowhere(place: Machine) -> None:
    secret = place.base / "secret"
    secret.write_text("the secret")
    secret.chmod(0o644)
    spec = place.spec(
        {"Dockerfile": DOCKERFILE, "app.py": "import pathlib\nprint(pathlib.Path('link').read_text())"}
    )
    Path(place.host.root, spec.checkout, "link").symlink_to(secret)
    place.finish_build(spec, place.start_build(spec))
    place.run(spec)
    place.wait_for("one", lambda container: not container.running)
    assert "the secret" not in place.runtime.logs("one")


def test_dockerignore_holds(shared: Machine) -> None:
    files: dict[str, str | bytes] = {
        "Dockerfile": DOCKERFILE, "app.py": "", ".dockerignore": "**/*.key\n!public.key\nDockerfile\n",
        "a.key": "", "deep/b.key": "", "public.key": "",
    }  # fmt: skip
    spec, _ = shared.build(files)
    names = {path.name for path in (shared.root_of(spec) / "app").rglob("*") if path.is_file()}
    assert names == {"app.py", "public.key", ".dockerignore"}


def test_a_killed_build_leaves_no_image_and_the_next_one_clears_up(place: Machine) -> None:
    spec = place.spec(
        {"Dockerfile": "FROM python:3.11\nRUN test -e /app/go || sleep 600\nCMD x", "app.py": ""}
    )
    jobs = place.start_build(spec)
    while b"RUN test" not in jobs.output:
        assert isinstance(place.runtime.build(jobs, spec), Wait)
        time.sleep(0.02)
    images = Path(place.host.root, "images")
    killed = [path for path in images.iterdir() if path.is_dir()]
    for pid in _processes_with(str(images)):
        os.kill(pid, signal.SIGKILL)
    with pytest.raises(StepFailed):
        place.finish_build(spec, jobs)
    assert len(killed) == 1 and place.runtime.find_image(spec.image) is None
    Path(place.host.root, spec.checkout, "Dockerfile").write_text("FROM python:3.11\nRUN true\nCMD x")
    place.finish_build(spec, place.start_build(spec))
    left = [path for path in images.iterdir() if path.is_dir()]
    assert len(left) == 1 and left != killed


def test_two_builds_at_once_make_one_image(place: Machine) -> None:
    spec = place.spec({"Dockerfile": "FROM python:3.11\nRUN sleep 0.5\nCMD x"})
    first, second = place.start_build(spec), place.start_build(spec)
    assert isinstance(place.finish_build(spec, first), Done)
    assert isinstance(place.finish_build(spec, second), Done)
    assert b"there already" in first.output + second.output
    assert len([path for path in Path(place.host.root, "images").iterdir() if path.is_dir()]) == 1


def test_the_order_with_credentials_is_gone_once_the_build_began(
    place: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PIP_INDEX_URL", "https://user:canary-4711@index.example/simple")
    spec, output = place.build(
        {"Dockerfile": "FROM python:3.11\nRUN echo ${#PIP_INDEX_URL} and ${#SECRET_KEY}\nCMD x"}
    )
    assert "45 and 0" in output
    left = [path for path in place.base.rglob("*") if path.is_file() and b"canary-4711" in path.read_bytes()]
    assert left == []


# --- running ---------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def server(shared: Machine) -> str:
    """An image of the obedient server."""
    dockerfile = DOCKERFILE.replace("CMD", "ENV MODEL=/app/model PORT=8000 FLASK_RUN_HOST=0.0.0.0\nCMD")
    return shared.build({"Dockerfile": dockerfile, "app.py": OBEDIENT}, image="portal/server:1")[0].image


@pytest.fixture
def running(shared: Machine, server: str) -> Iterator[Machine]:
    yield shared
    for container in shared.runtime.containers({}):
        shared.runtime.remove(container.name)


def spec_of(image: str) -> BuildSpec:
    return BuildSpec(image=image, checkout="")


VALUES = {
    "PLAIN": "value",
    "LINES": "one\ntwo\r\n\n  three\n",
    "QUOTES": "a 'b' \"c\" `d` $(e) $F \\g %h #i",
    "UNICODE": "Grüße 🦉\u2028",
    "EMPTY": "",
    "SPACES": "  x  ",
    "BRACES": "{}{{x}}",
    "MODEL_PATH": "/app/model",
}


def test_variables_arrive_byte_for_byte_and_nothing_of_ours_does(running: Machine, server: str) -> None:
    run = running.run(spec_of(server), variables={**VALUES, "CANARY": "canary-4712"})
    env = ask(run.host_port)["env"]
    assert isinstance(env, dict)
    assert {name: env[name] for name in VALUES} == VALUES
    assert env["PORT"] == str(run.host_port)
    assert env["FLASK_RUN_HOST"] == env["HOST"] == "127.0.0.1"
    assert env["MODEL"].endswith("/root/app/model") and env["MODEL"].startswith(running.host.root)
    assert env["PATH"].split(":")[0].endswith("/root/usr/local/bin")
    expected = {
        "LANG", "PYTHONUNBUFFERED", "HOST", "HOME", "TMPDIR", "PATH", "PORT", "PORTAL_PORT_MAP", "MODEL", "FLASK_RUN_HOST", "CANARY",
    }  # fmt: skip
    assert set(env) - set(VALUES) - {"LC_CTYPE"} == expected
    holding = [
        path for path in running.base.rglob("*") if path.is_file() and b"canary-4712" in path.read_bytes()
    ]
    assert holding == []
    assert not any(
        "canary-4712" in Path(f"/proc/{pid}/cmdline").read_text()
        for pid in _processes_with(running.host.root)
    )


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")
def test_an_application_runs_as_a_user_of_its_own(running: Machine, server: str) -> None:
    run = running.run(spec_of(server))
    uid = ask(run.host_port)["uid"]
    assert isinstance(uid, int) and uid >= FIRST_UID


def test_a_running_container_is_left_alone_and_an_ended_one_is_started_again(
    running: Machine, server: str
) -> None:
    run = running.run(spec_of(server))
    ask(run.host_port)
    first = _processes_with("app.py", running)
    running.runtime.start(run)
    assert _processes_with("app.py", running) == first
    running.runtime.stop("one")
    running.wait_for("one", lambda container: not container.running)
    running.runtime.start(run)
    ask(run.host_port)
    assert _processes_with("app.py", running) != first


def test_a_changed_variable_replaces_the_container(running: Machine, server: str) -> None:
    run = running.run(spec_of(server), variables={"A": "1"})
    ask(run.host_port)
    running.runtime.start(replace(run, variables={"A": "2"}))
    env = ask(run.host_port)["env"]
    assert isinstance(env, dict) and env["A"] == "2"


def test_looking_at_a_container(running: Machine, server: str) -> None:
    run = running.run(spec_of(server), labels={"x": "1", "y": "2"})
    ask(run.host_port)
    container = running.runtime.inspect("one")
    assert container is not None
    assert (container.running, container.image, container.host_port) == (True, server, run.host_port)
    assert (container.exit_code, container.restarts, container.out_of_memory) == (None, 0, False)
    assert container.listening == (f"127.0.0.1:{run.host_port}",)
    assert running.runtime.containers({"x": "1"}) == [container]
    assert running.runtime.containers({"x": "2"}) == []
    assert running.runtime.inspect("two") is None


def test_stop_returns_at_once_and_remove_takes_everything(running: Machine, server: str) -> None:
    run = running.run(spec_of(server))
    ask(run.host_port)
    running.runtime.stop("one")
    ended = running.wait_for("one", lambda container: not container.running)
    assert ended.exit_code == 143
    running.runtime.remove("one")
    running.runtime.remove("one")
    assert running.runtime.inspect("one") is None
    assert not list(Path(running.host.root, "containers").iterdir())
    assert not list(Path(running.host.root, "jobs").glob("container-*"))
    assert running.host.free_port(run.host_port)


def test_a_container_that_has_just_been_started_can_be_removed(running: Machine, server: str) -> None:
    for _ in range(3):
        running.run(spec_of(server))
        running.runtime.remove("one")
        assert running.runtime.inspect("one") is None
        assert _processes_with("app.py", running) == []


ANYTHING = 'FROM python:3.11\nWORKDIR /app\nCMD ["sh", "-c", "exec python -c \\"$CODE\\""]\n'


def start(place: Machine, app: str, command: str = "", **options: object) -> int:
    """Run a program, in an image that runs any: building one for each would take the time of all."""
    spec = spec_of("portal/anything:1")
    if command:
        dockerfile = f"FROM python:3.11\nWORKDIR /app\nCOPY . .\nCMD {command}\n"
        spec = place.build({"Dockerfile": dockerfile, "app.py": app})[0]
    elif place.runtime.find_image(spec.image) is None:
        place.build({"Dockerfile": ANYTHING}, image=spec.image)
    return place.run(spec, **{"variables": {"CODE": app}, **options}).host_port


def test_the_port_of_the_container_works_though_it_is_written_in_the_code(running: Machine) -> None:
    port = start(running, SERVER.replace("int(PORT)", "8000"))
    get(port)
    container = running.runtime.inspect("one")
    assert container is not None and container.listening == (f"127.0.0.1:{port}",)


def test_the_command_names_the_real_port(running: Machine) -> None:
    app = SERVER.replace("int(PORT)", "int(sys.argv[2])")
    port = start(running, app, "python app.py --port 8000 --bind 0.0.0.0:8000 >&2")
    assert ask(port)["argv"] == ["app.py", "--port", str(port), "--bind", f"127.0.0.1:{port}"]
    assert "The image says: " in running.runtime.logs("one")


def test_another_port_is_seen_from_outside(running: Machine) -> None:
    other = free_port()
    start(running, SERVER.replace("int(PORT)", str(other)))
    container = running.wait_for("one", lambda each: bool(each.listening))
    assert container.listening == (f"0.0.0.0:{other}",)


def test_a_crash_is_seen_with_its_code_and_last_words(running: Machine) -> None:
    start(running, "import sys\nprint('last words')\nsys.exit(7)\n")
    container = running.wait_for("one", lambda each: not each.running)
    assert container.exit_code == 7
    assert running.runtime.logs("one", tail=1) == "last words\n"


def test_a_command_that_is_not_there_says_so(running: Machine) -> None:
    start(running, "", '["gunicorn", "app"]')
    assert running.wait_for("one", lambda each: not each.running).exit_code == 127
    assert "gunicorn: not found" in running.runtime.logs("one")


def test_too_much_memory_ends_the_container(running: Machine) -> None:
    start(running, "import time\nx = bytearray(200 << 20)\ntime.sleep(600)\n", memory_mb=64)
    container = running.wait_for("one", lambda each: not each.running)
    assert (container.out_of_memory, container.exit_code) == (True, 137)
    assert "its limit is 64 MB" in running.runtime.logs("one")


STUBBORN = """
import os, signal, subprocess, sys, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
subprocess.Popen([sys.executable, "-c", "import os, time; os.setsid(); time.sleep(600)"])
print("here", flush=True)
time.sleep(600)
"""


def test_a_stubborn_application_is_killed_with_all_its_children(running: Machine) -> None:
    start(running, STUBBORN)
    running.wait_for_log("one", "here")
    running.runtime.stop("one", grace=1)
    assert running.wait_for("one", lambda each: not each.running).exit_code == 137
    running.runtime.remove("one")
    assert _processes_with("time.sleep(600)", running) == []


def test_when_the_supervisor_is_killed_the_application_ends_too(running: Machine) -> None:
    port = start(running, OBEDIENT)
    get(port)
    state = json.loads(Path(running.host.root, "containers/one/state.json").read_text())
    os.kill(state["pid"], signal.SIGKILL)
    container = running.wait_for("one", lambda each: not each.running)
    assert container.exit_code == 137
    running.runtime.remove("one")
    assert running.host.free_port(port)


def test_a_talkative_application_does_not_fill_the_disk_or_block(running: Machine) -> None:
    start(running, "for n in range(400_000): print('x' * 100)\nprint('the end')\n")
    running.wait_for("one", lambda each: not each.running)
    folder = Path(running.host.root, "containers/one")
    assert running.runtime.logs("one", tail=1) == "the end\n"
    assert sum(path.stat().st_size for path in folder.glob("log*")) <= 21 << 20


def test_an_image_that_a_container_stands_on_goes_with_the_container(running: Machine) -> None:
    start(running, IDLE, "python app.py")
    running.wait_for_log("one", "here")
    container = running.runtime.inspect("one")
    assert container is not None
    folders = set(Path(running.host.root, "images").glob("*/"))
    running.runtime.remove_image(container.image)
    assert running.runtime.find_image(container.image) is None
    assert set(Path(running.host.root, "images").glob("*/")) == folders
    running.runtime.remove("one")
    assert len(set(Path(running.host.root, "images").glob("*/"))) == len(folders) - 1


def test_a_container_outlives_whoever_started_it(running: Machine, server: str) -> None:
    run = running.run(spec_of(server))
    ask(run.host_port)
    state = json.loads(Path(running.host.root, "containers/one/state.json").read_text())
    assert os.getsid(state["pid"]) == state["pid"] != os.getsid(0)


# --- examples, and a portal that is not root -------------------------------------------------------


def test_the_sentiment_example_builds_answers_and_stops_well(running: Machine) -> None:
    files = {
        path.name: path.read_bytes() for path in (ROOT / "examples/sentiment-api").iterdir() if path.is_file()
    }
    spec, _ = running.build(files)
    run = running.run(spec)
    assert get(run.host_port, "/health") == (200, b'{"status": "healthy"}')
    status, body = get(run.host_port, "/analyze", body=b'{"text": "I love this, it is not bad"}')
    assert (status, json.loads(body)["sentiment"]) == (200, "positive")
    for wrong in (b"{}", b'{"text": " "}', b'{"text": 1}', b"[]", b"x"):
        assert get(run.host_port, "/analyze", body=wrong)[0] == 400
    answer = _stop_in_the_middle_of_a_request(running, run.host_port)
    assert answer.startswith(b"HTTP/1.1 200 OK")
    assert running.wait_for("one", lambda each: not each.running).exit_code == 0


def _stop_in_the_middle_of_a_request(place: Machine, port: int) -> bytes:
    """Send the second half of a request only after the application was asked to stop."""
    body = b'{"text": "good"}'
    with socket.create_connection(("127.0.0.1", port), timeout=20) as connection:
        head = f"POST /analyze HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n\r\n"
        connection.sendall(head.encode() + body[:5])
        time.sleep(0.3)
        place.runtime.stop("one")
        time.sleep(0.3)
        connection.sendall(body[5:])
        return connection.recv(1 << 16)


PLAIN_USER = """
import sys
sys.path[:0] = [{root!r}]
from deployments.pipeline.runtimes.process_build.images import safe_name
from tests.process_runtime import get, machine
with machine() as place:
    spec, output = place.build({files!r})
    run = place.run(spec)
    status, body = get(run.host_port)
    print(output, place.runtime.logs("one"))
    print("status", status, body.decode())
"""
SPY = """
import http.server, os
def tried(path):
    try:
        return "READ" if open(path).read() else "empty"
    except OSError:
        return "held"
base = os.getcwd().split("/host/")[0]
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        seen = [tried("/etc/hostname"), tried(base + "/secret_key"), tried(__file__)]
        self.wfile.write(" ".join(seen).encode())
http.server.HTTPServer(("127.0.0.1", int(os.environ["PORT"])), Handler).serve_forever()
"""


@pytest.mark.skipif(os.geteuid() != 0, reason="the other tests run as a plain user then")
def test_a_portal_that_is_not_root_builds_runs_and_hides_its_secrets() -> None:
    python = next(
        (path for path in ("/usr/bin/python3.11", "/usr/bin/python3.12") if Path(path).exists()), None
    )
    if python is None:
        pytest.skip("there is no Python here that a plain user can run")
    # Not below a folder that every program may use, as that for temporary files.
    place = Path(tempfile.mkdtemp(prefix="portal-plain-", dir="/srv"))
    os.chown(place, 65534, 65534)
    app = SPY.replace("{{", "{").replace("}}", "}")
    files = {
        "Dockerfile": "FROM python:3.11\nWORKDIR /app\nCOPY . .\nRUN id -u\nCMD python app.py",
        "app.py": app,
    }
    program = PLAIN_USER.format(root=str(ROOT), files=files).replace(
        "    spec, output", "    (place.base / 'secret_key').write_text('s')\n    spec, output"
    )
    try:
        result = subprocess.run(
            [python, "-c", program], capture_output=True, text=True, timeout=100, user=65534, group=65534, extra_groups=[],
            env={"PATH": "/usr/bin:/bin", "HOME": "/nonexistent", "PORTAL_TEST_FOLDER": str(place)}, cwd="/",
        )  # fmt: skip
    finally:
        subprocess.run(["rm", "-rf", str(place)], check=True)
    assert result.returncode == 0, result.stderr
    assert "65534\n" in result.stdout
    assert "status 200 READ held READ" in result.stdout or "nothing confines it" in result.stdout


def _processes_with(text: str, place: Machine | None = None) -> list[int]:
    """Processes whose command line holds a text; of containers of this machine only, when one is given."""
    found = []
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            command = (entry / "cmdline").read_bytes().decode(errors="replace")
            folder = os.readlink(entry / "cwd")
        except OSError:
            continue
        ours = place is None or folder.startswith(place.host.root)
        if text in command and ours and int(entry.name) != os.getpid():
            found.append(int(entry.name))
    return sorted(found)
