"""portal.yml: what it may say, how it refuses, and what wins over it."""

from decimal import Decimal

import pytest

from deployments import manifest
from deployments.manifest import Manifest, ManifestError, parse
from deployments.models import Application, Deployment
from deployments.pipeline.run_configs import effective, work_out

FULL = """\
# How it runs
port: 5000
health: /ready
memory_mb: 512
cpus: 0.5
dockerfile: docker/Dockerfile
context: services/api
build_args: {PYTHON_VERSION: 3.10, DEBUG: no}
test: pytest -q
hooks:
  pre_deploy: python migrate.py
variables:
  LOG_LEVEL: info
  MODEL_URL: {required: true}
  CACHE: {default: ""}
  TRACE:
"""


def test_every_key_is_read_as_it_is_written() -> None:
    read = parse(FULL)
    assert read.settings == {
        "container_port": 5000, "health_path": "/ready", "memory_mb": 512, "cpus": "0.5",
        "dockerfile": "docker/Dockerfile", "context": "services/api",
        "build_args": {"PYTHON_VERSION": "3.10", "DEBUG": "no"}, "test_command": "pytest -q",
        "hooks": {"pre_deploy": "python migrate.py"},
    }  # fmt: skip
    assert read.variables == {"LOG_LEVEL": "info", "MODEL_URL": None, "CACHE": "", "TRACE": None}
    assert read.required == ("MODEL_URL",)
    assert read.defaults == {"LOG_LEVEL": "info", "CACHE": ""}


@pytest.mark.parametrize("text", ["", "# nothing\n", "---\n"])
def test_an_empty_file_says_nothing(text: str) -> None:
    assert parse(text) == Manifest()


def test_resources_may_stand_in_a_group_of_their_own() -> None:
    assert parse("resources:\n  memory_mb: 256\n  cpus: 2\n").settings == {"memory_mb": 256, "cpus": "2"}


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ("port: 80\nmodel: churn@3\n", 2, "no key model"),
        ("port: web", 1, "port is a whole number"),
        ("port: 8000:80", 1, "port is a whole number"),
        ("port: 8_000", 1, "port is a whole number"),
        ("port:\n  - 80", 2, "One value is expected"),
        ("port: 0", 1, "from 1 to 65535"),
        ("port:", 1, "One value is expected"),
        ("\nhealth: health", 2, "begins with /"),
        ("memory_mb: 1GB", 1, "whole number of megabytes"),
        ("memory_mb: 63", 1, "from 64 on"),
        ("cpus: -1", 1, "from 0.05 to 99.99"),
        ("cpus: .inf", 1, "from 0.05 to 99.99"),
        ("dockerfile: ../Dockerfile", 1, "contains . or .."),
        ("context: /etc", 1, "relative to the top"),
        ("build_args: [A, B]", 1, "list of keys"),
        ("build_args: {A-B: 1}", 1, "not a name of a build argument"),
        ("test: |\n  one\n  two\n", 1, "line break"),
        ("hooks: {pre_launch: ls}", 1, "no moment 'pre_launch'"),
        ("variables: [MODEL_URL]", 1, "list of keys"),
        ("variables:\n  A: 1\n  1A: x\n", 3, "does not begin with a digit"),
        ("variables: {LD_PRELOAD: x}", 1, "cannot be set"),
        ("variables: {A: {require: true}}", 1, "default and required"),
        ("variables: {A: {required: yes}}", 1, "true or false"),
        ("variables:\n  A: {default: x, required: true}", 2, "never missing"),
        ("port: 80\nport: 81", 2, "given twice"),
        ("cpus: 1\nresources:\n  cpus: 2", 3, "given twice"),
        ("resources: {gpu: 1}", 1, "memory_mb and cpus"),
        ("- port", 1, "list of keys"),
        ("port: 80\n\thealth: /", 2, "not YAML"),
        ("port: 80\n---\nport: 81", 2, "not YAML"),
        ("port: &p 80", 1, "Anchors"),
        ("port: !!python/object/apply:os.system [ls]", 1, "tags"),
        ("{a: b}: c", 1, "A key is one word"),
        ("port: 80\x00", 1, "not YAML"),
        ("[" * 5000, 1, ""),
        (f"# {'x' * manifest.LIMIT}", 1, "larger than 64 KB"),
    ],
)  # fmt: skip
def test_a_refusal_names_the_line_and_what_is_wrong(text: str, line: int, words: str) -> None:
    with pytest.raises(ManifestError) as refused:
        parse(text)
    assert refused.value.line == line
    assert words in refused.value.message
    assert str(refused.value).startswith(f"portal.yml, line {line}: ")


def test_a_person_wins_over_the_repository_which_wins_over_the_default() -> None:
    application = Application(memory_mb=2048, hooks={"pre_deploy": "own"}, build_args={"A": "own"})
    text = "port: 5000\nmemory_mb: 512\nhooks: {pre_deploy: repo, post_deploy: repo}\nbuild_args: {A: repo, B: repo}"
    config = work_out(application, parse(text))
    assert (config.container_port, config.memory_mb, config.cpus) == (5000, 2048, "1")
    assert config.hooks == {"pre_deploy": "own", "post_deploy": "repo"}
    assert config.build_args == {"A": "own", "B": "repo"}
    assert config.sources == {
        "container_port": "repo", "memory_mb": "application", "build_args.A": "application",
        "build_args.B": "repo", "hooks.pre_deploy": "application", "hooks.post_deploy": "repo",
    }  # fmt: skip


def test_what_was_worked_out_is_remembered_with_the_deployment_and_for_its_rollback() -> None:
    config = work_out(Application(), parse(FULL))
    first = Deployment(application=Application(), facts={"config": config.as_facts()})
    again = Deployment(application=Application(), origin=first)
    assert effective(first) == effective(again) == config


def test_without_a_manifest_the_applications_settings_hold() -> None:
    application = Application(cpus=Decimal("0.50"), test_command="pytest")
    config = effective(Deployment(application=application))
    assert (config.cpus, config.test_command, config.container_port) == ("0.5", "pytest", None)
