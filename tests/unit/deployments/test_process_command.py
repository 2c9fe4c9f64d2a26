"""What an image says is started becomes what is really started: port, address, paths."""

import pytest

from deployments.pipeline.runtimes.process_build.paths import Tree
from deployments.pipeline.runtimes.process_run.command import Ports, adapt, adapt_environment, command_of

TREE, PORTS = Tree("/R"), Ports(8000, 21003)

COMMANDS = {
    ("python", "app.py"): ["python", "app.py"],
    ("uvicorn", "app:app", "--host", "0.0.0.0", "--port", "8000"): ["uvicorn", "app:app", "--host", "127.0.0.1", "--port", "21003"],
    ("gunicorn", "-b", "0.0.0.0:8000", "app:app"): ["gunicorn", "-b", "127.0.0.1:21003", "app:app"],
    ("gunicorn", "--bind=:8000", "-t", "80"): ["gunicorn", "--bind=127.0.0.1:21003", "-t", "80"],
    ("gunicorn", "--bind", "[::]:8000"): ["gunicorn", "--bind", "127.0.0.1:21003"],
    ("hypercorn", "--bind", "localhost:8000"): ["hypercorn", "--bind", "localhost:21003"],
    ("x", "--port=8000", "--timeout=8000", "--max-requests", "8000"): ["x", "--port=21003", "--timeout=8000", "--max-requests", "8000"],
    ("x", "--listen=http://0.0.0.0:8000/"): ["x", "--listen=http://127.0.0.1:21003/"],
    ("x", "80001", "18000", "v8000"): ["x", "80001", "18000", "v8000"],
    ("manage.py", "runserver", "0.0.0.0:8000"): ["manage.py", "runserver", "127.0.0.1:21003"],
    ("streamlit", "run", "/app/x.py", "--server.port=8000"): ["streamlit", "run", "/R/app/x.py", "--server.port=21003"],
    ("python", "-m", "http.server", "8000", "--bind", "::"): ["python", "-m", "http.server", "21003", "--bind", "127.0.0.1"],
    ("sh", "-c", "exec x --port 8000 --bind 0.0.0.0:${PORT:-8000}"): [
        "sh", "-c", "exec x --port 21003 --bind 127.0.0.1:${PORT:-8000}",
    ],
    ("/bin/sh", "-c", "cd /app && PORT=8000 python x.py; sleep 8000s"): [
        "/bin/sh", "-c", "cd /R/app && PORT=21003 python x.py; sleep 8000s",
    ],
}  # fmt: skip


@pytest.mark.parametrize(("words", "expected"), COMMANDS.items())
def test_words_that_name_the_port_or_every_address(words: tuple[str, ...], expected: list[str]) -> None:
    assert adapt(words, TREE, PORTS) == expected


def part(*words: str, shell: bool = False) -> dict[str, object]:
    return {"words": list(words), "shell": shell}


SHELL = ["/bin/sh", "-c"]


@pytest.mark.parametrize(
    ("entrypoint", "command", "expected"),
    [
        (None, part("a", "b"), ["a", "b"]),
        (None, part("a b", shell=True), [*SHELL, "a b"]),
        (part("e"), part("a"), ["e", "a"]),
        (part("e"), part("a b", shell=True), ["e", *SHELL, "a b"]),
        (part("e x", shell=True), part("a"), [*SHELL, "e x"]),
        (part("e"), None, ["e"]),
    ],
)
def test_entrypoint_and_command_are_put_together_as_docker_does(
    entrypoint: object, command: object, expected: list[str]
) -> None:
    assert command_of({"entrypoint": entrypoint, "command": command, "shell": SHELL}) == expected


def test_the_images_own_variables_name_this_machines_port_and_paths() -> None:
    env = {
        "PATH": "/opt/venv/bin:/usr/bin",
        "UVICORN_PORT": "8000",
        "REPORT": "8000 lines",
        "GRADIO_SERVER_NAME": "0.0.0.0",
        "GUNICORN_CMD_ARGS": "--bind=0.0.0.0:8000 --workers 2",
        "MODEL": "/app/model.bin",
        "URL": "http://x.example:8000/app",
    }
    assert adapt_environment(env, TREE, PORTS) == {
        "PATH": "/R/opt/venv/bin:/R/usr/bin:/usr/bin",
        "UVICORN_PORT": "21003",
        "REPORT": "8000 lines",
        "GRADIO_SERVER_NAME": "127.0.0.1",
        "GUNICORN_CMD_ARGS": "--bind=127.0.0.1:21003 --workers 2",
        "MODEL": "/R/app/model.bin",
        "URL": "http://x.example:8000/app",
    }
