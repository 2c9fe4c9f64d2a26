"""The docker runtime against a stand-in engine: what it asks for, and what it makes of the answers."""

import json
import os
import shlex
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from deployments.pipeline import commands
from deployments.pipeline.progress import DONE, Done, Progress, Skipped, StepFailed, Wait
from deployments.pipeline.runtimes.base import BuildSpec, RunSpec
from deployments.pipeline.runtimes.docker import DockerRuntime, EngineGone, available, build_stamp, run_stamp
from deployments.pipeline.runtimes.docker_environment import prepare
from deployments.pipeline.runtimes.docker_facts import read_containers, read_engine, read_listening
from instances.hosts.base import HostError, HostTimeout, Result
from instances.hosts.local import LocalHost
from tests.fakes import FakeHost

IMAGE = "shop:0a1b2c"
BUILD = BuildSpec(image=IMAGE, checkout="checkouts/shop", labels={"portal.application": "shop"})
RUN = RunSpec(
    name="shop-1", image=IMAGE, host_port=21000, container_port=8000, memory_mb=512, cpus=1.5,
    labels={"portal.application": "shop"}, variables={"KEY": "secret"},
)  # fmt: skip
NO_CONTAINER = Result(1, "[]\n", "Error: No such container: shop-1\n")
NO_IMAGE = Result(1, "[]\n", "Error: No such image: shop:0a1b2c\n")
OK = Result(0, "", "")

FIND_CONTAINER = ("docker", "container", "inspect")
FIND_IMAGE = ("docker", "image", "inspect")
# `docker run` goes through a shell that feeds it the variables.
START_NEW = ("sh", "-c", commands.RUN_SCRIPT)


def image(stamp: str = "", digest: str = "sha256:abc") -> Result:
    labels = {commands.BUILD_LABEL: stamp} if stamp else None
    return Result(0, json.dumps([{"Id": digest, "Size": 166_000_000, "Config": {"Labels": labels}}]), "")


def container(status: str = "running", *, stamp: str = "", **changes: object) -> Result:
    state = {
        "Status": status, "Running": status in ("running", "restarting", "paused"),
        "Restarting": status == "restarting", "OOMKilled": False, "ExitCode": 0, "Pid": 77,
    }  # fmt: skip
    data = {
        "Id": "f00d", "Name": "/shop-1", "Image": "sha256:abc", "RestartCount": 0,
        "State": {**state, **{key: value for key, value in changes.items() if key in state}},
        "Config": {"Image": IMAGE, "Labels": {**RUN.labels, commands.RUN_LABEL: stamp or run_stamp(RUN)}},
        "HostConfig": {"PortBindings": {"8000/tcp": [{"HostIp": "127.0.0.1", "HostPort": "21000"}]}},
    }  # fmt: skip
    return Result(0, json.dumps([{**data, **{k: v for k, v in changes.items() if k in data}}]), "")


def ran(host: FakeHost, *words: str) -> list[list[str]]:
    """The commands of the client that begin with these words, also inside a shell."""
    bare = [c[c.index("docker") :] for c in host.commands if "docker" in c]
    return [c for c in bare if c[1 : 1 + len(words)] == list(words)]


@dataclass
class Runner:
    """A step's context that answers what it is told to."""

    outcome: Progress | StepFailed = DONE
    begun: bool = False
    output: str = ""
    scripts: list[str] = field(default_factory=list)
    repeats: int = 0
    said: list[str] = field(default_factory=list)

    def job(self, name: str, script: str, *, files: Mapping[str, bytes] | None = None, code: str) -> Progress:
        self.scripts.append(script)
        if isinstance(self.outcome, StepFailed):
            raise self.outcome
        return self.outcome

    def has_job(self, name: str) -> bool:
        return self.begun

    def job_output(self, name: str, *, last: int = 0) -> str:
        return self.output

    def repeat_job(self, name: str) -> bool:
        self.repeats -= 1
        return self.repeats >= 0

    def say(self, text: str, level: str = "info") -> None:
        self.said.append(text)


# --- the engine -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("version", "words"), [("28.2.2", ""), ("20.10.24+dfsg1", "CVE-2024-21626"), ("19.03.1", "too old")]
)
def test_an_engine_is_described_with_a_word_on_its_age(version: str, words: str) -> None:
    answer = json.dumps(
        {"Server": {"Version": version, "ApiVersion": "1.41", "Os": "linux", "Arch": "amd64"}}
    )

    facts = available(FakeHost({("docker", "version"): Result(0, answer, "")}))

    assert facts is not None
    assert (facts.version, facts.platform) == (version, "linux/amd64")
    assert words in facts.note
    assert bool(facts.note) == bool(words)


@pytest.mark.parametrize(
    "answer",
    [
        Result(1, json.dumps({"Client": {}, "Server": None}), "Cannot connect to the Docker daemon"),
        Result(127, "", "docker: command not found\n"),
        Result(0, "not json", ""),
        HostTimeout("docker did not end within 3 seconds."),
    ],
)
def test_no_engine_is_none(answer: Result | Exception) -> None:
    assert available(FakeHost({("docker", "version"): answer})) is None


def test_an_engine_that_went_away_is_host_trouble_and_not_a_missing_container() -> None:
    gone = Result(1, "[]\n", "Cannot connect to the Docker daemon at unix:///var/run/docker.sock.\n")

    with pytest.raises(EngineGone):
        DockerRuntime(FakeHost({FIND_CONTAINER: gone})).inspect("shop-1")


def test_no_right_to_ask_the_engine_is_not_a_missing_container() -> None:
    denied = Result(1, "", "permission denied while trying to connect to the Docker daemon socket\n")

    with pytest.raises(HostError, match="permission denied"):
        DockerRuntime(FakeHost({FIND_CONTAINER: denied})).inspect("shop-1")


# --- building -------------------------------------------------------------------------------------


def test_an_image_that_was_built_from_the_same_is_not_built_again() -> None:
    host, runner = FakeHost({FIND_IMAGE: image(build_stamp(BUILD))}), Runner()

    progress = DockerRuntime(host).build(runner, replace(BUILD, labels={"portal.deployment": "another"}))

    assert isinstance(progress, Skipped)
    assert not runner.scripts


@pytest.mark.parametrize(
    ("found", "spec"),
    [
        (NO_IMAGE, BUILD),
        (image(), BUILD),
        (image(build_stamp(BUILD)), replace(BUILD, no_cache=True)),
        (image(build_stamp(BUILD)), replace(BUILD, build_args={"A": "1"})),
        (image(build_stamp(BUILD)), replace(BUILD, dockerfile="other/Dockerfile")),
    ],
)
def test_anything_else_is_built(found: Result, spec: BuildSpec) -> None:
    runner = Runner(outcome=Wait(1))

    assert DockerRuntime(FakeHost({FIND_IMAGE: found})).build(runner, spec) == Wait(1)
    assert len(runner.scripts) == 1


def test_a_build_that_is_under_way_is_read_on_without_asking_the_engine() -> None:
    host, runner = FakeHost(), Runner(outcome=Wait(1), begun=True)

    assert DockerRuntime(host).build(runner, BUILD) == Wait(1)
    assert host.commands == []


def test_a_finished_build_names_what_it_made() -> None:
    runtime = DockerRuntime(FakeHost({FIND_IMAGE: image(build_stamp(BUILD), "sha256:0123456789abcdef")}))

    assert runtime.build(Runner(begun=True), BUILD) == Done("0123456789ab, 166 MB")


def test_a_build_that_ends_well_without_an_image_has_failed() -> None:
    with pytest.raises(StepFailed, match="build_failed"):
        DockerRuntime(FakeHost({FIND_IMAGE: NO_IMAGE})).build(Runner(begun=True), BUILD)


def test_a_failed_build_is_explained_from_its_last_words_and_the_dockerfile() -> None:
    host = FakeHost({FIND_IMAGE: NO_IMAGE})
    host.put("checkouts/shop/Dockerfile", b"FROM python\nRUN false\n")
    output = "Step 2/2 : RUN false\n ---> Running in 1\nThe command '/bin/sh -c false' returned a non-zero code: 1\n"
    runner = Runner(outcome=StepFailed("build_failed", exit_code=1), output=output)

    with pytest.raises(StepFailed) as caught:
        DockerRuntime(host).build(runner, BUILD)

    assert caught.value.code == "build_command_failed"
    assert caught.value.detail.startswith("Line 2: RUN false")


def test_a_build_whose_engine_stops_is_begun_again_but_not_for_ever() -> None:
    host = FakeHost()
    runner = Runner(outcome=StepFailed("build_failed"), begun=True, output="unexpected EOF", repeats=2)
    runtime = DockerRuntime(host)
    for _ in range(2):
        assert isinstance(runtime.build(runner, BUILD), Wait)
    with pytest.raises(StepFailed) as caught:
        runtime.build(runner, BUILD)
    assert caught.value.code == "engine_gone"
    assert len(runner.said) == 2


def test_a_build_that_was_lost_stays_lost() -> None:
    runner = Runner(outcome=StepFailed("job_lost"))

    with pytest.raises(StepFailed) as caught:
        DockerRuntime(FakeHost({FIND_IMAGE: NO_IMAGE})).build(runner, BUILD)

    assert caught.value.code == "job_lost"


HOSTILE = 'it\'s "x" $(touch pwned) `touch pwned`; touch pwned\n--privileged'


def test_hostile_values_reach_the_client_as_they_are(stand_in: "StandIn") -> None:
    checkout = f"checkouts/{HOSTILE}".replace("\n", " ")
    stand_in.host.put(f"{checkout}/Dockerfile", b"FROM python\n")
    spec = replace(BUILD, checkout=checkout, labels={"note": HOSTILE}, build_args={"ARG": HOSTILE})
    script = commands.build_script(spec, root=stand_in.host.root, stamp="0")

    assert stand_in.host.call(["sh", "-c", script]).ok

    assert f"--label=note={HOSTILE}" in stand_in.argv()
    assert f"--build-arg=ARG={HOSTILE}" in stand_in.argv()
    assert stand_in.argv()[-2:] == ["--", f"{stand_in.host.root}/{checkout}"]
    assert not list(Path(stand_in.host.root).rglob("pwned"))


def test_no_command_has_the_name_of_an_option() -> None:
    for name in ("--privileged", "-v", "a b", "a\nb", "../images/x", "a/../b", ""):
        with pytest.raises(ValueError, match="cannot name"):
            commands.check_container(name)
        with pytest.raises(ValueError, match="cannot name"):
            commands.check_image(name)
    assert commands.check_image("registry.example:5000/team/shop@sha256:0a1b")


# --- starting -------------------------------------------------------------------------------------


def test_a_new_container_gets_the_least_of_rights_and_no_value_in_its_arguments() -> None:
    host = FakeHost({FIND_CONTAINER: NO_CONTAINER, START_NEW: OK})

    DockerRuntime(host).start(replace(RUN, variables={"KEY": "secret-value", "LINES": "secret\nvalue"}))

    (argv,) = ran(host, "run")
    assert {
        "--restart=unless-stopped", "--publish=127.0.0.1:21000:8000", "--memory=512m", "--memory-swap=512m",
        "--cpus=1.5", "--pids-limit=512", "--cap-drop=ALL", "--security-opt=no-new-privileges", "--init",
        "--log-driver=json-file", "--log-opt=max-size=10m", "--log-opt=max-file=5", "--pull=never",
    } <= set(argv)  # fmt: skip
    assert argv[-2:] == ["--", IMAGE]
    assert "secret" not in shlex.join(host.commands[-1])
    assert host.inputs[-1] == b"export LINES='secret\nvalue'\nKEY=secret-value\nPORT=8000\n"
    assert not host.files


def test_the_same_container_is_left_alone() -> None:
    for status in ("running", "restarting"):
        host = FakeHost({FIND_CONTAINER: container(status), FIND_IMAGE: image()})
        DockerRuntime(host).start(RUN)
        assert len(host.commands) == 2


def test_a_container_whose_image_was_removed_is_left_alone() -> None:
    host = FakeHost({FIND_CONTAINER: container(), FIND_IMAGE: NO_IMAGE})

    DockerRuntime(host).start(RUN)

    assert not ran(host, "run")


@pytest.mark.parametrize("status", ["exited", "created"])
def test_the_same_container_is_started_again_when_it_stands_still(status: str) -> None:
    host = FakeHost({FIND_CONTAINER: container(status), FIND_IMAGE: image(), ("docker", "start"): OK})

    DockerRuntime(host).start(RUN)

    assert ran(host, "start") == [["docker", "start", "--", "shop-1"]]
    assert not ran(host, "run")


@pytest.mark.parametrize(
    ("found", "its_image"),
    [
        (container(stamp="another"), image()),
        (container(), image(digest="sha256:newer")),
        (container("paused"), image()),
        (container("dead"), image()),
        (container("exited"), image()),
    ],
)
def test_a_container_that_does_not_fit_is_replaced(found: Result, its_image: Result) -> None:
    refused = Result(1, "", "Error response from daemon: cannot start\n")
    host = FakeHost(
        {
            FIND_CONTAINER: found,
            FIND_IMAGE: its_image,
            START_NEW: OK,
            ("docker", "rm"): OK,
            ("docker", "start"): refused,
        }
    )

    DockerRuntime(host).start(RUN)

    assert ran(host, "rm") == [["docker", "rm", "--force", "--volumes", "--", "shop-1"]]
    assert len(ran(host, "run")) == 1


@pytest.mark.parametrize(
    "change",
    [
        {"image": "shop:other"}, {"host_port": 21001}, {"container_port": 80}, {"memory_mb": 64}, {"cpus": 0.5},
        {"labels": {}}, {"variables": {"KEY": "changed"}},
    ],
)  # fmt: skip
def test_every_change_of_what_runs_changes_the_stamp(change: dict[str, object]) -> None:
    assert run_stamp(replace(RUN, **change)) != run_stamp(RUN)  # type: ignore[arg-type]


def test_a_container_that_could_not_be_started_is_removed() -> None:
    refused = Result(125, "f00d\n", "docker: Error response from daemon: ... port is already allocated.\n")
    host = FakeHost({FIND_CONTAINER: NO_CONTAINER, START_NEW: refused, ("docker", "rm"): OK})

    with pytest.raises(StepFailed) as caught:
        DockerRuntime(host).start(RUN)

    assert caught.value.code == "private_port_taken"
    assert len(ran(host, "rm")) == 1


def test_who_loses_a_race_leaves_the_winners_container_alone() -> None:
    conflict = Result(
        125, "", 'docker: Conflict. The container name "/shop-1" is already in use by container "1".\n'
    )
    host = FakeHost({FIND_CONTAINER: NO_CONTAINER, START_NEW: conflict})

    with pytest.raises(HostError):
        DockerRuntime(host).start(RUN)

    assert not ran(host, "rm")


def test_a_limit_above_the_machines_processors_is_left_out() -> None:
    refused = Result(
        125, "", "docker: Range of CPUs is from 0.01 to 2.00, as there are only 2 CPUs available.\n"
    )
    answers = iter([refused, OK])
    host = FakeHost({FIND_CONTAINER: NO_CONTAINER, START_NEW: lambda argv, _: next(answers)})

    DockerRuntime(host).start(replace(RUN, cpus=64))

    first, second = ran(host, "run")
    assert [word for word in first if word not in second] == ["--cpus=64"]


# --- variables ------------------------------------------------------------------------------------


class StandIn:
    """A `docker` that writes down its arguments, its environment and its input."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.folder = folder / "stand-in"
        self.folder.mkdir()
        program = self.folder / "docker"
        here = shlex.quote(str(self.folder))
        program.write_text(
            f'#!/bin/sh\nprintf "%s\\0" "$@" > {here}/argv\nenv -0 > {here}/env\ncat /dev/stdin > {here}/input\n'
        )
        program.chmod(0o755)
        monkeypatch.setenv("PATH", f"{self.folder}:{os.environ['PATH']}")
        self.host = LocalHost(folder / "host")

    def argv(self) -> list[str]:
        return (self.folder / "argv").read_text().split("\0")[:-1]

    def environment(self) -> dict[str, str]:
        lines = (self.folder / "env").read_bytes().decode().split("\0")[:-1]
        return dict(line.split("=", 1) for line in lines)

    def input(self) -> str:
        return (self.folder / "input").read_bytes().decode()


@pytest.fixture
def stand_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> StandIn:
    return StandIn(tmp_path, monkeypatch)


def test_values_of_several_lines_travel_byte_for_byte_through_the_shell(stand_in: StandIn) -> None:
    values = {
        "ALL": "".join(chr(n) for n in range(1, 0x3000)) + "\n🚀",
        "QUOTED": 'it\'s\n"x" $HOME `id` $(id) \\\n\\',
        "ENDS": "\n\n",
        "LONG": ("x" * 99 + "\n") * 320,
    }
    environment = prepare({**values, "SINGLE": "line", "HOME": "/from/the/user"})
    argv = commands.with_environment(["docker", "run"], assignments=environment.assignments)

    assert stand_in.host.call(argv, input=environment.input).ok

    got = stand_in.environment()
    assert {name: got[name] for name in values} == values
    assert stand_in.input() == "SINGLE=line\nHOME=/from/the/user\n"
    assert got["HOME"] != "/from/the/user"
    assert environment.names == tuple(values)


def test_a_failing_client_keeps_its_exit_code(stand_in: StandIn) -> None:
    (stand_in.folder / "docker").write_text("#!/bin/sh\necho no >&2\nexit 125\n")

    result = stand_in.host.call(commands.with_environment(["docker"], assignments=b""), input=b"A=1\n")

    assert (result.code, result.err) == (125, "no\n")


@pytest.mark.parametrize("name", ["A B", "A=B", "", "1A", "A;id", "A\n", "Ä"])
def test_a_name_that_is_none_is_refused(name: str) -> None:
    with pytest.raises(StepFailed, match="variable_refused"):
        prepare({name: "x"})


@pytest.mark.parametrize(
    "name", ["HOME", "PATH", "LD_PRELOAD", "DOCKER_HOST", "GODEBUG", "https_proxy", "BASH_ENV"]
)
def test_what_would_steer_the_client_never_enters_its_environment(name: str) -> None:
    assert prepare({name: "one line"}).assignments == b""
    with pytest.raises(StepFailed, match="more than one line"):
        prepare({name: "two\nlines"})


def test_values_are_not_in_the_representation() -> None:
    assert "secret" not in repr(prepare({"A": "secret", "B": "secret\n"})) + repr(RUN)


# --- looking --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("found", "running", "exit_code"),
    [
        (container(), True, None),
        (container("restarting", ExitCode=3), False, 3),
        (container("exited", ExitCode=137), False, 137),
        (container("created"), False, None),
    ],
)
def test_a_container_that_is_being_restarted_does_not_run(
    found: Result, running: bool, exit_code: int | None
) -> None:
    (read,) = read_containers(found.out)

    assert (read.container.running, read.container.exit_code) == (running, exit_code)
    assert (read.container.host_port, read.container.image) == (21000, IMAGE)


TCP = """  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 1 1
   1: 0B00007F:9C41 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 2 1
   2: 0100007F:1F90 0100007F:C350 01 00000000:00000000 00:00000000 00000000     0        0 3 1
"""
TCP6 = """  sl  local_address                         remote_address                        st tx_queue rx_queue
   0: 00000000000000000000000000000000:0050 00000000000000000000000000000000:0000 0A 00000000:00000000
   1: 00000000000000000000000001000000:0051 00000000000000000000000000000000:0000 0A 00000000:00000000
"""


def test_what_listens_inside_is_read_from_the_kernels_table() -> None:
    assert read_listening(TCP + TCP6) == ("127.0.0.1:8080", "[::1]:81", "[::]:80")
    assert read_listening("") == ()


def test_a_running_container_shows_where_it_listens() -> None:
    table = ("cat", "--", "/proc/77/net/tcp", "/proc/77/net/tcp6")
    host = FakeHost({FIND_CONTAINER: container(), table: Result(1, TCP, "no tcp6")})

    found = DockerRuntime(host).inspect("shop-1")

    assert found is not None
    assert found.listening == ("127.0.0.1:8080",)


def test_containers_are_asked_for_a_few_at_a_time_and_matched_exactly() -> None:
    ids = [f"{n:064x}" for n in range(90)]
    host = FakeHost({("docker", "ps"): Result(0, "\n".join(ids), ""), FIND_CONTAINER: container()})

    found = DockerRuntime(host).containers(RUN.labels)

    assert len(ran(host, "container", "inspect")) == 3
    assert len(found) == 3
    assert DockerRuntime(host).containers({"portal.application": "sho"}) == []


def test_the_streams_of_a_container_keep_their_order_and_its_length_has_a_limit(stand_in: StandIn) -> None:
    script = "#!/bin/sh\nfor n in 1 2 3; do echo out$n; echo err$n >&2; done\n"
    (stand_in.folder / "docker").write_text(script)
    runtime = DockerRuntime(stand_in.host)

    assert runtime.logs("shop-1").split() == ["out1", "err1", "out2", "err2", "out3", "err3"]
    short = stand_in.host.call(commands.docker_logs("shop-1", tail=9, limit_bytes=5))
    assert (short.out, short.err) == ("err3\n", "0\n")


@pytest.mark.parametrize(
    ("answer", "raises"), [("Error: No such container: shop-1", False), ("Error response: broken", True)]
)
def test_logs_of_a_container_that_is_gone_are_empty_and_other_trouble_is_told(
    stand_in: StandIn, answer: str, raises: bool
) -> None:
    (stand_in.folder / "docker").write_text(f"#!/bin/sh\necho {shlex.quote(answer)} >&2\nexit 1\n")
    look: Callable[[], str] = lambda: DockerRuntime(stand_in.host).logs("shop-1")  # noqa: E731

    if raises:
        with pytest.raises(HostError, match="broken"):
            look()
    else:
        assert look() == ""


def test_an_engine_without_a_server_part_is_none() -> None:
    assert read_engine("{}") is None


@pytest.mark.parametrize(
    "trouble", ["Error: No such container: x", "removal of container x is already in progress"]
)
def test_removing_what_is_gone_is_well(trouble: str) -> None:
    DockerRuntime(FakeHost({("docker", "rm"): Result(1, "", trouble)})).remove("shop-1")


def test_an_image_that_is_in_use_stays() -> None:
    conflict = Result(1, "", "Error response from daemon: conflict: unable to remove repository reference\n")

    DockerRuntime(FakeHost({("docker", "image", "rm"): conflict})).remove_image(IMAGE)
