"""The docker runtime against a real engine."""

import json
import socket
import subprocess
import threading
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from deployments.pipeline.progress import DONE, Done, Progress, Skipped, StepFailed, Wait
from deployments.pipeline.runtimes.base import BuildSpec, Container, RunSpec
from deployments.pipeline.runtimes.docker import DockerRuntime, available
from instances.hosts.base import HostError
from instances.hosts.local import LocalHost
from tests.e2e import engine

pytestmark = [pytest.mark.e2e, pytest.mark.docker]

# Answers with its environment; each value as the hex of its bytes.
SERVER = """
import http.server, json, os, sys
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        body = json.dumps({k.decode(): v.hex() for k, v in os.environb.items()}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
    def log_message(self, *args):
        print(self.path, flush=True)
address = os.environ.get("ADDRESS", "0.0.0.0")
print("listening", flush=True)
http.server.HTTPServer((address, int(os.environ["PORT"])), Handler).serve_forever()
"""
DOCKERFILE = f'FROM {engine.BASE_IMAGE}\nCOPY server.py /\nCMD ["python", "-u", "/server.py"]\n'


@dataclass
class Runner:
    """A step's context, reduced to what a runtime sees of it."""

    host: LocalHost
    id: str
    offset: int = 0
    output: bytes = b""

    def job(self, name: str, script: str, *, files: Mapping[str, bytes] | None = None, code: str) -> Progress:
        self.host.start_job(self.id, script)
        state = self.host.poll_job(self.id, self.offset)
        self.offset += len(state.output)
        self.output += state.output
        if state.code is None:
            return Wait(0.05)
        if state.code:
            raise StepFailed(code, f"exit code {state.code}", exit_code=state.code)
        return DONE

    def has_job(self, name: str) -> bool:
        return bool(self.offset) or (Path(self.host.root) / "jobs" / self.id).exists()

    def job_output(self, name: str, *, last: int = 0) -> str:
        return self.output[-last:].decode(errors="replace")

    def say(self, text: str, level: str = "info") -> None:
        raise AssertionError(text)


class Bench:
    """A host with a runtime, and names that nobody else uses."""

    def __init__(self, root: Path) -> None:
        self.tag = uuid.uuid4().hex[:10]
        self.host = LocalHost(root)
        self.runtime = DockerRuntime(self.host)
        self.labels = {"portal.test": self.tag}
        self.count = 0

    def runner(self) -> Runner:
        self.count += 1
        return Runner(self.host, f"job-{self.count}")

    def spec(self, name: str, dockerfile: str = DOCKERFILE, **changes: object) -> BuildSpec:
        folder = f"checkouts/{name}"
        self.host.put(f"{folder}/Dockerfile", dockerfile.encode())
        self.host.put(f"{folder}/server.py", SERVER.encode())
        spec = BuildSpec(image=f"portaltest-{self.tag}:{name}", checkout=folder, labels=self.labels)
        return replace(spec, **changes)  # type: ignore[arg-type]

    def build(self, spec: BuildSpec, runner: Runner | None = None) -> Progress:
        runner = runner or self.runner()
        deadline = time.monotonic() + 100
        while isinstance(progress := self.runtime.build(runner, spec), Wait):
            assert time.monotonic() < deadline
            time.sleep(progress.seconds)
        return progress

    def failure(self, name: str, dockerfile: str) -> StepFailed:
        with pytest.raises(StepFailed) as caught:
            self.build(self.spec(name, dockerfile))
        return caught.value

    def run_spec(self, image: str, name: str = "app", **changes: object) -> RunSpec:
        spec = RunSpec(
            name=f"portaltest-{self.tag}-{name}", image=image, host_port=free_port(), container_port=8000,
            memory_mb=128, cpus=0.5, labels=self.labels,
        )  # fmt: skip
        return replace(spec, **changes)  # type: ignore[arg-type]

    def run(self, image: str, name: str = "app", **changes: object) -> RunSpec:
        spec = self.run_spec(image, name, **changes)
        self.runtime.start(spec)
        return spec

    def look(self, spec: RunSpec) -> Container:
        found = self.runtime.inspect(spec.name)
        assert found is not None
        return found

    def clean(self) -> None:
        for container in self.runtime.containers(self.labels):
            self.runtime.remove(container.name)
        images = docker("images", "--quiet", "--filter", f"label=portal.test={self.tag}").split()
        if images:
            docker("rmi", "--force", *sorted(set(images)))


def docker(*argv: str) -> str:
    return subprocess.run(["docker", *argv], capture_output=True, text=True, check=True, timeout=60).stdout


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def eventually(look: Callable[[], object], seconds: float = 30) -> None:
    deadline = time.monotonic() + seconds
    while not look():
        assert time.monotonic() < deadline, "it did not come about"
        time.sleep(0.1)


def ask(port: int) -> dict[str, bytes]:
    """The environment of the application behind this port; {} as long as it does not answer."""
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=5) as connection:
            connection.sendall(b"GET /asked HTTP/1.0\r\n\r\n")
            with connection.makefile("rb") as stream:
                body = stream.read().partition(b"\r\n\r\n")[2]
    except OSError:
        return {}
    return {name: bytes.fromhex(value) for name, value in json.loads(body).items()} if body else {}


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    bench = Bench(tmp_path_factory.mktemp("host"))
    yield bench
    bench.clean()


@pytest.fixture(scope="module")
def image(bench: Bench) -> str:
    spec = bench.spec("server")
    assert isinstance(bench.build(spec), Done)
    return spec.image


# --- the engine -----------------------------------------------------------------------------------


def test_the_engine_is_found_with_its_version(bench: Bench) -> None:
    facts = available(bench.host)

    assert facts is not None
    assert facts.version == docker("version", "--format", "{{.Server.Version}}").strip()


# --- building -------------------------------------------------------------------------------------


def test_a_build_gives_an_image_with_our_labels_and_a_second_one_is_skipped(bench: Bench) -> None:
    hostile = {**bench.labels, "note": "$(touch /tmp/pwned) `id` \"quoted\" 'x'\nsecond; line"}
    spec = bench.spec("labels", labels=hostile, build_args={"ARGUMENT": "two words"})
    spec = replace(spec, image=spec.image)
    bench.host.put(
        f"{spec.checkout}/Dockerfile", (DOCKERFILE + "ARG ARGUMENT\nLABEL got=$ARGUMENT\n").encode()
    )

    first, second_runner = bench.build(spec), bench.runner()
    second = bench.build(spec, second_runner)

    found = bench.runtime.find_image(spec.image)
    data = json.loads(docker("image", "inspect", spec.image))[0]
    assert isinstance(first, Done)
    assert isinstance(second, Skipped)
    assert not second_runner.output
    assert found is not None
    assert found.digest == data["Id"]
    assert data["Config"]["Labels"]["note"] == hostile["note"]
    assert data["Config"]["Labels"]["got"] == "two words"


def test_an_image_of_that_name_that_we_did_not_build_is_not_taken_for_ours(bench: Bench) -> None:
    spec = bench.spec("foreign")
    docker("tag", engine.BASE_IMAGE, spec.image)

    assert isinstance(bench.build(spec), Done)


def test_a_build_without_cache_is_carried_out_again(bench: Bench, image: str) -> None:
    runner = bench.runner()

    assert isinstance(bench.build(bench.spec("server", no_cache=True), runner), Done)
    assert b"Using cache" not in runner.output


def test_a_failing_command_is_named_with_its_line(bench: Bench) -> None:
    text = f"FROM {engine.BASE_IMAGE}\n\n# why\nRUN echo before && \\\n    ls /no-such-folder\nCOPY . .\n"

    failure = bench.failure("command", text)

    assert failure.code == "build_command_failed"
    assert failure.detail.startswith("Line 4: RUN echo before && ")
    assert "No such file or directory" in failure.detail


@pytest.mark.parametrize(
    ("name", "code", "dockerfile"),
    [
        ("syntax", "dockerfile_syntax", "FRUM python\n"),
        ("empty", "dockerfile_syntax", "# nothing\n"),
        ("base", "base_image_missing", "FROM 127.0.0.1:1/no-such-image:9.9\n"),
        ("copy", "build_failed", f"FROM {engine.BASE_IMAGE}\nCOPY nothing /\n"),
    ],
)
def test_a_build_that_cannot_work_says_why(bench: Bench, name: str, code: str, dockerfile: str) -> None:
    assert bench.failure(name, dockerfile).code == code


def test_a_dockerfile_that_leads_out_of_the_checkout_is_not_read(bench: Bench) -> None:
    spec = bench.spec("link")
    secret = Path(bench.host.root) / "outside"
    secret.write_text("a-secret-of-the-host")
    dockerfile = Path(bench.host.root) / spec.checkout / "Dockerfile"
    dockerfile.unlink()
    dockerfile.symlink_to(secret)
    runner = bench.runner()

    with pytest.raises(StepFailed) as caught:
        bench.build(spec, runner)
    assert caught.value.code == "dockerfile_missing"
    assert b"a-secret-of-the-host" not in runner.output


def test_five_megabytes_of_output_do_not_hang_a_build(bench: Bench) -> None:
    noise = "import sys; sys.stdout.write(('x' * 99 + chr(10)) * 50_000)"
    noise += f" # {bench.tag}"
    runner = bench.runner()

    bench.build(bench.spec("noise", f'FROM {engine.BASE_IMAGE}\nRUN python -c "{noise}"\n'), runner)

    # BuildKit itself limits what a step prints in a second, and says so.
    assert len(runner.output) > 5_000_000 or b"output clipped" in runner.output


def test_two_builds_of_the_same_image_at_once_make_it_once(bench: Bench) -> None:
    text = f"FROM {engine.BASE_IMAGE}\nRUN sleep 2 && echo {bench.tag}\n"
    spec = bench.spec("twice", text)
    first, second = bench.runner(), bench.runner()

    assert isinstance(bench.runtime.build(first, spec), Wait)
    eventually(lambda: bench.runtime.build(first, spec) and b"Step" in first.output or b"#" in first.output)
    assert isinstance(bench.build(spec, second), Done)
    assert isinstance(bench.build(spec, first), Done)

    assert b"Another deployment builds this image" in second.output
    assert b"RUN sleep" not in second.output


def test_a_cancelled_build_leaves_no_process_behind(bench: Bench) -> None:
    mark = "7654.321"
    runner = bench.runner()
    spec = bench.spec("cancel", f"FROM {engine.BASE_IMAGE}\nRUN sleep {mark}\n")
    bench.runtime.build(runner, spec)
    eventually(lambda: processes(f"sleep {mark}"))

    bench.host.stop_job(runner.id, grace=2)

    eventually(lambda: not processes(f"sleep {mark}"))
    eventually(lambda: not processes(spec.image))


def processes(text: str) -> list[str]:
    """The command lines of all processes in which this text occurs."""
    lines = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            lines.append(path.read_bytes().replace(b"\0", b" ").decode(errors="replace"))
        except OSError:
            continue
    return [line for line in lines if text in line and "pytest" not in line]


def test_an_image_that_the_registry_does_not_have_is_not_fetched(bench: Bench) -> None:
    runner, deadline = bench.runner(), time.monotonic() + 60
    with pytest.raises(StepFailed) as caught:
        while time.monotonic() < deadline:
            bench.runtime.pull(runner, "127.0.0.1:1/no-such-image:9.9")
            time.sleep(0.05)

    assert caught.value.code == "pull_failed"
    assert "127.0.0.1:1" in caught.value.detail


# --- running --------------------------------------------------------------------------------------


def test_a_container_runs_with_all_its_limits_and_on_loopback_only(bench: Bench, image: str) -> None:
    spec = bench.run(image)

    data = json.loads(docker("container", "inspect", spec.name))[0]
    host = data["HostConfig"]
    assert host["RestartPolicy"]["Name"] == "unless-stopped"
    assert host["PortBindings"] == {"8000/tcp": [{"HostIp": "127.0.0.1", "HostPort": str(spec.host_port)}]}
    assert (host["Memory"], host["MemorySwap"]) == (128 << 20, 128 << 20)
    assert (host["NanoCpus"], host["PidsLimit"]) == (500_000_000, 512)
    assert host["CapDrop"] == ["ALL"]
    assert not host["CapAdd"]
    assert host["SecurityOpt"] == ["no-new-privileges"]
    assert host["Init"] is True
    assert not host["Privileged"]
    assert not host["Binds"]
    assert (host["NetworkMode"], host["PidMode"], host["IpcMode"]) == ("default", "", "private")
    assert host["LogConfig"] == {"Type": "json-file", "Config": {"max-file": "5", "max-size": "10m"}}
    assert bench.labels.items() <= data["Config"]["Labels"].items()
    eventually(lambda: ask(spec.host_port))
    found = bench.look(spec)
    assert (found.running, found.exit_code, found.restarts) == (True, None, 0)
    assert (found.image, found.host_port) == (image, spec.host_port)
    assert found.listening == ("0.0.0.0:8000",)


VALUES = {
    "PLAIN": "value",
    "EMPTY": "",
    "SPACES": "  both sides  ",
    "QUOTES": """it's "quoted" `id` $(touch /tmp/pwned) $HOME ${PATH} \\n \\ """,
    "LINES": "first\nsecond 'x' \"y\" $(id) `id` \\\n\n\tlast",
    "ENDS_WITH_LINES": "text\n\n",
    "ONLY_A_LINE_END": "\n",
    "RETURN": "with\r\nreturns\r",
    "UNICODE": "Grüße, 世界 🚀 \u2028 \ufeff \x01\x7f",
    "UNICODE_LINES": "".join(chr(n) for n in range(1, 0x800)) + "\n世界",
    "HASH": "# not a comment",
    "EQUALS": "=a=b=",
    "LONG": "x" * 32768,
    "LONG_LINES": ("y" * 99 + "\n") * 320,
    "HOME": "/from/the/user",
    "http_proxy": "http://127.0.0.1:1",
    "LD_LIBRARY_PATH": "/nowhere",
}


def test_variables_arrive_byte_for_byte(bench: Bench, image: str) -> None:
    spec = bench.run(image, "variables", variables=VALUES)
    eventually(lambda: ask(spec.host_port))

    environment = ask(spec.host_port)

    assert {name: environment[name].decode() for name in VALUES} == VALUES
    assert environment["PORT"] == b"8000"
    assert not Path("/tmp/pwned").exists()


def test_a_secret_is_found_nowhere_but_in_the_containers_environment(bench: Bench, image: str) -> None:
    secret, lines = f"canary-{uuid.uuid4().hex}", f"canary-{uuid.uuid4().hex}"
    watch = CommandLines([secret, lines])

    with watch:
        spec = bench.run(image, "secret", variables={"SECRET": secret, "KEY": f"-----\n{lines}\n-----"})
    eventually(lambda: ask(spec.host_port).get("SECRET") == secret.encode())

    assert watch.seen == []
    assert watch.looks > 10
    for canary in (secret, lines):
        found = subprocess.run(["grep", "-rl", canary, bench.host.root], capture_output=True, text=True)
        assert found.stdout == ""
        assert canary not in docker("history", "--no-trunc", image) + docker("image", "inspect", image)
        assert canary not in bench.runtime.logs(spec.name)
        assert canary not in docker("container", "inspect", "--format", "{{json .Config.Labels}}", spec.name)
        assert canary not in repr(spec)


class CommandLines(threading.Thread):
    """Looks at the arguments of all processes, over and over."""

    def __init__(self, words: list[str]) -> None:
        super().__init__(daemon=True)
        self.words, self.seen, self.looks = words, list[str](), 0
        self.over = threading.Event()

    def run(self) -> None:
        while not self.over.is_set():
            self.seen += [line for word in self.words for line in processes(word)]
            self.looks += 1

    def __enter__(self) -> None:
        self.start()

    def __exit__(self, *exception: object) -> None:
        self.over.set()
        self.join()


def test_a_value_of_several_lines_cannot_steer_the_client(bench: Bench, image: str) -> None:
    with pytest.raises(StepFailed, match="DOCKER_CONFIG"):
        bench.run(image, "steer", variables={"DOCKER_CONFIG": "/tmp\n/evil"})


def test_an_application_may_listen_on_port_80_without_any_capability(bench: Bench, image: str) -> None:
    spec = bench.run(image, "eighty", container_port=80)

    eventually(lambda: ask(spec.host_port))


def test_an_application_on_127_0_0_1_is_seen_to_listen_there(bench: Bench, image: str) -> None:
    spec = bench.run(image, "loopback", variables={"ADDRESS": "127.0.0.1"})

    eventually(lambda: bench.look(spec).listening == ("127.0.0.1:8000",))


def test_more_processors_than_the_machine_has_are_no_obstacle(bench: Bench, image: str) -> None:
    spec = bench.run(image, "cpus", cpus=512)

    assert bench.look(spec).running


def test_starting_again_leaves_the_same_container_alone(bench: Bench, image: str) -> None:
    spec = bench.run(image, "adopt", variables={"A": "1"})
    first = docker("container", "inspect", "--format", "{{.Id}} {{.State.StartedAt}}", spec.name)

    bench.runtime.start(spec)
    same = docker("container", "inspect", "--format", "{{.Id}} {{.State.StartedAt}}", spec.name)
    bench.runtime.start(replace(spec, variables={"A": "2"}))
    other = docker("container", "inspect", "--format", "{{.Id}} {{.State.StartedAt}}", spec.name)

    assert same == first
    assert other != first


def test_five_workers_that_start_the_same_container_make_one(bench: Bench, image: str) -> None:
    spec = bench.run_spec(image, "race")
    errors: list[BaseException] = []

    def start() -> None:
        try:
            bench.runtime.start(spec)
        except HostError:
            # The engine of deployments calls again.
            pass
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=start) for _ in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert errors == []
    identity = docker("container", "inspect", "--format", "{{.Id}}", spec.name)
    bench.runtime.start(spec)
    assert docker("container", "inspect", "--format", "{{.Id}}", spec.name) == identity
    eventually(lambda: ask(spec.host_port))


def test_a_stopped_container_is_started_again_as_it_was(bench: Bench, image: str) -> None:
    spec = bench.run(image, "again")
    identity = docker("container", "inspect", "--format", "{{.Id}}", spec.name)
    bench.runtime.stop(spec.name, grace=1)
    eventually(lambda: not bench.look(spec).running)

    bench.runtime.start(spec)

    assert docker("container", "inspect", "--format", "{{.Id}}", spec.name) == identity
    eventually(lambda: ask(spec.host_port))


def test_stopping_returns_at_once_and_kills_after_the_grace(bench: Bench) -> None:
    text = (
        f'FROM {engine.BASE_IMAGE}\nCMD ["sh", "-c", "trap true TERM; echo up; while :; do sleep 1; done"]\n'
    )
    spec = bench.spec("deaf", text)
    bench.build(spec)
    run = bench.run(spec.image, "deaf")
    eventually(lambda: "up" in bench.runtime.logs(run.name))

    began = time.monotonic()
    bench.runtime.stop(run.name, grace=3)
    returned = time.monotonic() - began
    still_there = bench.look(run).running
    eventually(lambda: not bench.look(run).running)

    assert returned < 2
    assert still_there
    assert bench.look(run).exit_code == 137
    assert not bench.look(run).out_of_memory


def test_an_application_that_ends_at_once_shows_its_exit_code_restarts_and_last_words(bench: Bench) -> None:
    text = f'FROM {engine.BASE_IMAGE}\nCMD ["sh", "-c", "echo out; sleep .2; echo err >&2; sleep .2; echo last words; exit 3"]\n'
    spec = bench.spec("crash", text)
    bench.build(spec)

    run = bench.run(spec.image, "crash")

    eventually(lambda: bench.look(run).restarts >= 2)
    eventually(lambda: not bench.look(run).running and bench.look(run).exit_code == 3)
    assert bench.runtime.logs(run.name).splitlines()[:3] == ["out", "err", "last words"]
    assert len(bench.runtime.logs(run.name, tail=2).splitlines()) == 2
    bench.runtime.remove(run.name)
    assert bench.runtime.inspect(run.name) is None


def test_an_application_that_takes_too_much_memory_is_flagged(bench: Bench) -> None:
    text = f'FROM {engine.BASE_IMAGE}\nCMD ["python", "-c", "x = bytearray(500_000_000)"]\n'
    spec = bench.spec("memory", text)
    bench.build(spec)

    run = bench.run(spec.image, "memory", memory_mb=64)

    eventually(lambda: bench.look(run).exit_code == 137)
    # Not every kernel tells the engine why a process was killed; what the engine knows, we know.
    said = ["docker", "inspect", "--format", "{{.State.OOMKilled}}", run.name]
    flag = subprocess.run(said, capture_output=True, text=True, timeout=30, check=True).stdout.strip()
    eventually(lambda: bench.look(run).out_of_memory == (flag == "true"))


def test_a_command_that_does_not_exist_shows_in_the_exit_code_and_the_last_words(bench: Bench) -> None:
    spec = bench.spec("nothing", f'FROM {engine.BASE_IMAGE}\nCMD ["/no-such-program"]\n')
    bench.build(spec)

    run = bench.run(spec.image, "nothing")

    eventually(lambda: not bench.look(run).running and bench.look(run).exit_code == 127)
    assert "/no-such-program" in bench.runtime.logs(run.name)


def test_an_image_without_a_command_fails_and_leaves_nothing(bench: Bench) -> None:
    spec = bench.spec("empty-command", f"FROM {engine.BASE_IMAGE}\nENTRYPOINT []\nCMD []\n")
    bench.build(spec)

    with pytest.raises(StepFailed) as caught:
        bench.run(spec.image, "empty-command")

    assert caught.value.code == "container_exited"
    assert bench.runtime.inspect(f"portaltest-{bench.tag}-empty-command") is None


def test_a_port_that_is_taken_fails_and_leaves_nothing(bench: Bench, image: str) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with pytest.raises(StepFailed) as caught:
            bench.run(image, "taken", host_port=taken.getsockname()[1])

    assert caught.value.code == "private_port_taken"
    assert bench.runtime.inspect(f"portaltest-{bench.tag}-taken") is None


def test_an_image_that_is_gone_is_said_to_be_gone(bench: Bench) -> None:
    with pytest.raises(StepFailed) as caught:
        bench.run(f"portaltest-{bench.tag}:never-built")

    assert caught.value.code == "image_gone"


@pytest.mark.parametrize(
    "name", ["x; touch /tmp/pwned", "$(touch /tmp/pwned)", "--privileged", "-v/:/host", "a\nb", "../images/x"]
)
def test_hostile_names_are_refused(bench: Bench, image: str, name: str) -> None:
    runtime, spec = bench.runtime, bench.run_spec(image)
    for act in (
        lambda: runtime.start(replace(spec, name=name)), lambda: runtime.start(replace(spec, image=name)),
        lambda: runtime.inspect(name), lambda: runtime.find_image(name), lambda: runtime.remove(name),
        lambda: runtime.logs(name), lambda: runtime.stop(name), lambda: runtime.remove_image(name),
    ):  # fmt: skip
        with pytest.raises(ValueError, match="cannot name"):
            act()

    assert not Path("/tmp/pwned").exists()


def test_what_is_not_there_is_nothing(bench: Bench) -> None:
    assert bench.runtime.inspect("no-such-container") is None
    assert bench.runtime.find_image("no-such-image:1") is None
    assert bench.runtime.logs("no-such-container") == ""
    bench.runtime.stop("no-such-container")
    bench.runtime.remove("no-such-container")
    bench.runtime.remove_image("no-such-image:1")


def test_containers_are_found_by_their_labels(bench: Bench, image: str) -> None:
    labels = {**bench.labels, "kind": "$(id) 'x'"}
    spec = bench.run(image, "labelled", labels=labels)

    assert [c.name for c in bench.runtime.containers(labels)] == [spec.name]
    assert len(bench.runtime.containers(bench.labels)) > 1
    assert bench.runtime.containers({"portal.test": "nobody"}) == []


def test_removing_takes_the_containers_own_volumes_and_is_repeatable(bench: Bench) -> None:
    spec = bench.spec("volume", DOCKERFILE + "VOLUME /data\n")
    bench.build(spec)
    run = bench.run(spec.image, "volume")
    volume = json.loads(docker("container", "inspect", run.name))[0]["Mounts"][0]["Name"]

    bench.runtime.remove(run.name)
    bench.runtime.remove(run.name)

    assert volume not in docker("volume", "ls", "--quiet")


def test_an_image_stays_while_it_is_used_and_goes_afterwards(bench: Bench) -> None:
    spec = bench.spec("used", DOCKERFILE + "LABEL used=1\n")
    bench.build(spec)
    run = bench.run(spec.image, "used")

    bench.runtime.remove_image(spec.image)
    assert bench.runtime.find_image(spec.image) is not None
    bench.runtime.remove(run.name)
    bench.runtime.remove_image(spec.image)
    bench.runtime.remove_image(spec.image)

    assert bench.runtime.find_image(spec.image) is None
