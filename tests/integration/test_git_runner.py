"""git on this machine against a real Git server on loopback: what it fetches, and what it never lets out."""

import os
import shlex
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from pytest_django import Settings

from deployments import preflight
from deployments.pipeline import git
from deployments.pipeline.git import scripts
from deployments.pipeline.git.remote import Remote
from deployments.pipeline.git.runner import ensure_example
from instances.hosts.base import JobState
from instances.hosts.local import LocalHost
from portal.core.secrets import Secret
from tests import git_server
from tests.git_server import GIT_ENVIRONMENT, GitServer

TOKEN = "glpat-canary0123456789canary"
FILES = {
    "Dockerfile": "FROM python:3.11-slim\nEXPOSE 8080\nCMD python app.py\n",
    "app.py": "print('hello')\n",
}


@pytest.fixture
def host(tmp_path: Path) -> LocalHost:
    return LocalHost(tmp_path / "a host" / "root")


@pytest.fixture
def server(tmp_path: Path, settings: Settings) -> Iterator[GitServer]:
    server = GitServer(tmp_path / "public")
    settings.GIT_ALLOWED_HOSTS = [server.base]
    yield server
    server.close()


@pytest.fixture
def private(tmp_path: Path, settings: Settings) -> Iterator[GitServer]:
    server = GitServer(tmp_path / "private", token=TOKEN)
    settings.GIT_ALLOWED_HOSTS = [server.base]
    yield server
    server.close()


def run_job(host: LocalHost, name: str, script: str, remote: Remote) -> tuple[int, str]:
    """What the context of a step does: files first, then the job, then its end."""
    host_files = f"files/{name}"
    for file, content in remote.files.items():
        host.put(f"{host_files}/{file}", content, mode=0o600)
    head = f"FILES={shlex.quote(f'{host.root}/{host_files}')}\nexport FILES\n" if remote.files else ""
    host.start_job(name, head + script)
    return wait_for(host, name)


def wait_for(host: LocalHost, name: str) -> tuple[int, str]:
    until = time.monotonic() + 30
    while time.monotonic() < until:
        state: JobState = host.poll_job(name, 0)
        if state.code is not None:
            return state.code, state.output.decode(errors="replace")
        time.sleep(0.02)
    raise AssertionError(f"{name} did not end")


def check_out(
    host: LocalHost, remote: Remote, commit: str, *, ref: str = "main", name: str = "clone"
) -> tuple[int, str]:
    target = f"{host.root}/checkouts/app/{commit}"
    script = git.checkout_script(remote, commit=commit, ref=ref, target=target, root=host.root)
    return run_job(host, name, script, remote)


def tree_of(host: LocalHost, commit: str) -> Path:
    return Path(host.root) / "checkouts" / "app" / commit


def run(*argv: str, cwd: Path | None = None) -> str:
    done = subprocess.run(
        argv, cwd=cwd, env=GIT_ENVIRONMENT, check=True, capture_output=True, text=True, timeout=30
    )
    return done.stdout.strip()


def test_a_look_lists_branches_tags_and_the_default_branch(host: LocalHost, server: GitServer) -> None:
    commit = server.commit("app", FILES)
    bare = server.folder / "acme" / "app.git"
    run("git", "-C", str(bare), "branch", "feature/x")
    run("git", "-C", str(bare), "tag", "-a", "v1", "-m", "one", commit)
    remote, refs = git.look(host, server.url("app"))
    assert refs.default_branch == "main"
    assert refs.branches == {"main": commit, "feature/x": commit}
    assert refs.tags == {"v1": commit}
    assert refs.find("") == refs.find("v1") == refs.find("main") == commit
    assert not remote.has_credentials


def test_the_files_of_a_commit_are_checked_out_and_kept(host: LocalHost, server: GitServer) -> None:
    first = server.commit("app", FILES)
    server.commit("app", {"app.py": "print('later')\n"})
    remote = git.remote_for(server.url("app"))
    code, output = check_out(host, remote, first)
    tree = tree_of(host, first)
    assert (code, (tree / "app.py").read_text()) == (0, "print('hello')\n"), output
    assert run("git", "-c", "safe.directory=*", "rev-parse", "HEAD", cwd=tree) == first
    assert server.base not in (tree / ".git" / "config").read_text()
    assert "is there" in check_out(host, remote, first, name="again")[1]


@pytest.mark.parametrize(
    "spoil",
    [
        lambda tree: (tree / "app.py").write_text("print('changed')\n"),
        lambda tree: (tree / "extra.py").write_text("x"),
        lambda tree: (tree / "app.py").unlink(),
        lambda tree: (tree / ".git" / "HEAD").write_text("0" * 40),
    ],
)
def test_a_checkout_that_somebody_changed_is_made_anew(
    host: LocalHost, server: GitServer, spoil: Callable[[Path], object]
) -> None:
    commit = server.commit("app", FILES)
    remote = git.remote_for(server.url("app"))
    check_out(host, remote, commit)
    tree = tree_of(host, commit)
    spoil(tree)
    code, output = check_out(host, remote, commit, name="again")
    assert code == 0, output
    assert sorted(path.name for path in tree.iterdir()) == [".git", "Dockerfile", "app.py"]
    assert (tree / "app.py").read_text() == "print('hello')\n"
    assert sorted(path.name for path in tree.parent.iterdir()) == [commit]


def test_a_kept_checkout_cannot_make_git_run_anything(
    host: LocalHost, server: GitServer, tmp_path: Path
) -> None:
    commit = server.commit("app", {**FILES, ".gitattributes": "* filter=evil\n"})
    remote = git.remote_for(server.url("app"))
    check_out(host, remote, commit)
    tree, marker = tree_of(host, commit), tmp_path / "marker"
    with (tree / ".git" / "config").open("a") as config:
        config.write(
            f'[core]\n\tfsmonitor = "touch {marker};false"\n[filter "evil"]\n\tclean = touch {marker}; cat\n'
        )
    (tree / ".git" / "hooks").mkdir(exist_ok=True)
    hook = tree / ".git" / "hooks" / "post-checkout"
    hook.write_text(f"#!/bin/sh\ntouch {marker}\n")
    hook.chmod(0o755)
    (tree / "app.py").touch()
    clean = git.is_clean_script(commit=commit, target=str(tree), root=host.root)
    assert host.call(["sh", "-c", clean]).ok
    assert not marker.exists()


def test_two_checkouts_at_once_do_no_harm(host: LocalHost, server: GitServer) -> None:
    commit = server.commit("app", FILES)
    remote = git.remote_for(server.url("app"))
    with ThreadPoolExecutor(4) as pool:
        ends = list(pool.map(lambda n: check_out(host, remote, commit, name=f"clone-{n}"), range(4)))
    assert [code for code, _ in ends] == [0] * 4, ends
    clean = git.is_clean_script(commit=commit, target=str(tree_of(host, commit)), root=host.root)
    assert host.call(["sh", "-c", clean]).ok


def test_a_server_that_refuses_commit_ids_is_asked_for_more(
    host: LocalHost, server: GitServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = server.commit("app", FILES)
    server.commit("app", {"app.py": "print('later')\n"})
    # Without its header the server speaks the first protocol, which hands out heads only.
    monkeypatch.setitem(
        scripts.__dict__, "RUN_GIT", scripts.RUN_GIT.replace("protocol.version=2", "protocol.version=0")
    )
    code, output = check_out(host, git.remote_for(server.url("app")), first)
    assert code == 0, output
    assert "fetching more" in output
    assert (tree_of(host, first) / "app.py").read_text() == "print('hello')\n"


def test_a_commit_that_is_nowhere_is_said_to_be_so(host: LocalHost, server: GitServer) -> None:
    server.commit("app", FILES)
    code, output = check_out(host, git.remote_for(server.url("app")), "f" * 40)
    assert git.classify(output, code, has_credentials=False).code == "commit_not_found"
    assert not tree_of(host, "f" * 40).exists()


def inspect(host: LocalHost, server: GitServer, commit: str, path: str = "Dockerfile") -> git.Inspection:
    return git.inspect(host, git.remote_for(server.url("app")), commit=commit, dockerfile=path)


def test_the_dockerfile_is_read_without_a_checkout(host: LocalHost, server: GitServer) -> None:
    commit = server.commit("app", FILES, message="Add a model\n\nMore")
    found = inspect(host, server, commit)
    assert (found.found, found.subject, found.author) == ("file", "Add a model", "Ada")
    assert found.dockerfile == FILES["Dockerfile"]
    assert os.listdir(f"{host.root}/looks") == []


def test_a_missing_dockerfile_names_the_others(host: LocalHost, server: GitServer) -> None:
    commit = server.commit(
        "app", {"docker/Dockerfile.prod": "FROM x\n", "README": "x", "notes-on-dockerfile": ""}
    )
    found = inspect(host, server, commit)
    assert (found.found, found.candidates) == ("missing", ("docker/Dockerfile.prod",))
    assert inspect(host, server, commit, "docker").found == "other"
    assert inspect(host, server, commit, "docker/Dockerfile.prod").found == "file"


def test_a_link_is_no_dockerfile(host: LocalHost, server: GitServer) -> None:
    server.commit("app", FILES)
    work = server.folder / "work" / "app"
    (work / "Link").symlink_to("/etc/passwd")
    (work / "folder").symlink_to("/etc")
    commit = server.commit("app", {})
    assert inspect(host, server, commit, "Link").found == "link"
    assert inspect(host, server, commit, "folder/passwd").found == "missing"


def all_command_lines_and_environments() -> bytes:
    seen = b""
    for entry in Path("/proc").glob("[0-9]*"):
        for name in ("cmdline", "environ"):
            try:
                seen += (entry / name).read_bytes()
            except OSError:
                continue
    return seen


def slow_down(monkeypatch: pytest.MonkeyPatch, seconds: float) -> None:
    serve = git_server._Handler._serve

    def slowly(handler: git_server._Handler) -> None:
        time.sleep(seconds)
        serve(handler)

    monkeypatch.setattr(git_server._Handler, "_serve", slowly)


@pytest.mark.parametrize("token", [TOKEN, f"ada:{TOKEN}"])
def test_a_token_opens_a_private_repository_and_is_seen_nowhere(
    host: LocalHost, private: GitServer, monkeypatch: pytest.MonkeyPatch, token: str
) -> None:
    commit = private.commit("app", FILES)
    remote, refs = git.look(host, private.url("app"), token=Secret(token))
    assert refs.find("main") == commit
    assert TOKEN not in repr(remote)
    slow_down(monkeypatch, 0.15)
    seen, over = [], threading.Event()
    watcher = threading.Thread(
        target=lambda: [seen.append(all_command_lines_and_environments()) for _ in iter(over.is_set, True)]
    )
    watcher.start()
    code, output = check_out(host, remote, commit)
    over.set()
    watcher.join()
    assert code == 0, output
    assert any(b"fetch" in snapshot and b"--depth=1" in snapshot for snapshot in seen)
    assert not any(TOKEN.encode() in snapshot for snapshot in seen)
    assert TOKEN not in output
    left = subprocess.run(
        ["grep", "-rl", TOKEN, host.root], capture_output=True, text=True, timeout=30
    ).stdout
    assert left == ""


def test_a_job_that_is_stopped_leaves_no_token_behind(
    host: LocalHost, private: GitServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    commit = private.commit("app", FILES)
    remote = git.remote_for(private.url("app"), token=Secret(TOKEN))
    slow_down(monkeypatch, 2)
    target = f"{host.root}/checkouts/app/{commit}"
    script = git.checkout_script(remote, commit=commit, ref="main", target=target, root=host.root)
    stopper = threading.Timer(0.5, lambda: host.stop_job("clone", grace=5))
    stopper.start()
    code, _ = run_job(host, "clone", script, remote)
    assert code != 0
    assert not (Path(host.root) / "files" / "clone").exists()
    assert list((Path(host.root) / "checkouts" / "app").iterdir()) == []


@pytest.mark.parametrize(
    ("token", "code"), [(None, "repository_not_found"), (Secret("glpat-wrongwrongwrong"), "git_auth_failed")]
)
def test_a_closed_door_is_named(host: LocalHost, private: GitServer, token: Secret | None, code: str) -> None:
    private.commit("app", FILES)
    with pytest.raises(git.GitFailed) as failure:
        git.look(host, private.url("app"), token=token)
    assert failure.value.code == code
    assert "glpat" not in str(failure.value)


def test_a_missing_repository_and_a_silent_server_are_told_apart(
    host: LocalHost, server: GitServer, settings: Settings
) -> None:
    server.commit("app", FILES)
    with pytest.raises(git.GitFailed) as failure:
        git.look(host, f"{server.base}/acme/nothing")
    assert failure.value.code == "repository_not_found"
    settings.GIT_ALLOWED_HOSTS = ["http://127.0.0.1:9"]
    with pytest.raises(git.GitFailed) as failure:
        git.look(host, "http://127.0.0.1:9/acme/app")
    assert failure.value.code == "git_unreachable"


def test_a_server_that_never_answers_costs_only_the_deadline(host: LocalHost, settings: Settings) -> None:
    import socket

    with socket.create_server(("127.0.0.1", 0)) as listener:
        base = f"http://127.0.0.1:{listener.getsockname()[1]}"
        settings.GIT_ALLOWED_HOSTS = [base]
        began = time.monotonic()
        with pytest.raises(git.GitFailed) as failure:
            git.look(host, f"{base}/acme/app", timeout=1)
    assert failure.value.code == "git_timeout"
    assert time.monotonic() - began < 8


@pytest.fixture
def redirecting(server: GitServer, settings: Settings) -> Iterator[tuple[str, list[str]]]:
    """A server that sends everybody to another one, and what the other one was asked."""
    asked: list[str] = []

    class Target(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(f"{self.path} {self.headers.get('Authorization')}")
            self.send_error(404)

        def log_message(self, format: str, *args: object) -> None: ...

    target = ThreadingHTTPServer(("127.0.0.1", 0), Target)

    class Source(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(302)
            self.send_header("Location", f"http://127.0.0.1:{target.server_port}{self.path}")
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None: ...

    source = ThreadingHTTPServer(("127.0.0.1", 0), Source)
    for each in (target, source):
        threading.Thread(target=each.serve_forever, args=(0.02,), daemon=True).start()
    base = f"http://127.0.0.1:{source.server_port}"
    settings.GIT_ALLOWED_HOSTS = [base]
    yield base, asked
    for each in (target, source):
        each.shutdown()
        each.server_close()


def test_git_is_not_led_to_another_server(host: LocalHost, redirecting: tuple[str, list[str]]) -> None:
    base, asked = redirecting
    with pytest.raises(git.GitFailed) as failure:
        git.look(host, f"{base}/acme/app", token=Secret(TOKEN))
    assert failure.value.code == "repository_moved"
    assert asked == []


HOSTILE = [
    "--upload-pack=touch {}", "-u touch {}", "ext::sh -c touch% {}", "; touch {}", "$(touch {})", "`touch {}`",
    "'; touch {}; '", "a\ntouch {}\n",
]  # fmt: skip


@pytest.mark.parametrize("hostile", HOSTILE)
@pytest.mark.parametrize("place", ["url", "ref", "dockerfile", "commit"])
def test_hostile_values_have_no_effect_even_behind_the_checks(
    host: LocalHost, server: GitServer, tmp_path: Path, hostile: str, place: str
) -> None:
    server.commit("app", FILES)
    marker = tmp_path / "marker"
    value = hostile.replace("{}", str(marker))
    # By file the server's side runs on this machine, so an option that names its program would count.
    url = value if place == "url" else f"file://{server.folder}/acme/app.git"
    remote = Remote(url=url, protocol="file", origin="file://")
    values = {"commit": "a" * 40, "ref": "main", "dockerfile": "Dockerfile", place: value}
    values.pop("url", None)
    out = f"{host.root}/looks/x"
    inspect_it = git.inspect_script(remote, **values, out=out, root=host.root, seconds=5)
    values.pop("dockerfile")
    target = f"{host.root}/checkouts/x"
    check_it_out = git.checkout_script(remote, **values, target=target, root=host.root, seconds=5)
    resolve_it = git.resolve_script(remote, values["ref"], root=host.root)
    touched = {"dockerfile": [inspect_it], "commit": [inspect_it, check_it_out]}
    for script in touched.get(place, [resolve_it, inspect_it, check_it_out]):
        host.call(["sh", "-c", script], timeout=20)
    assert not marker.exists()


def test_no_configuration_of_the_machine_or_a_person_is_read(
    host: LocalHost, server: GitServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    commit = server.commit("app", FILES)
    home, marker = tmp_path / "home", tmp_path / "marker"
    home.mkdir()
    (home / ".gitconfig").write_text(
        f'[credential]\n\thelper = "!touch {marker};"\n[core]\n\thooksPath = {home}\n'
        f'[url "http://127.0.0.1:9/"]\n\tinsteadOf = {server.base}\n'
    )
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("FILES", str(home))
    assert check_out(host, git.remote_for(server.url("app")), commit)[0] == 0
    assert not marker.exists()
    assert home.exists()


@pytest.fixture
def fake_ssh(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An ssh that writes down how it was called, and ends."""
    folder = tmp_path / "bin"
    folder.mkdir()
    program = folder / "ssh"
    program.write_text(
        '#!/bin/sh\nprintf "%s\\n" "$@" >"${0%/*}/arguments"\n'
        'stat -c "%a" "$FILES/deploy_key" >"${0%/*}/mode"\ncat "$FILES/deploy_key" >"${0%/*}/key"\n'
        'cat "$FILES/known_hosts" >"${0%/*}/known_hosts" 2>/dev/null\nexit 255\n'
    )
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")
    return folder


def test_a_deploy_key_goes_by_ssh_with_a_pinned_host_key(
    host: LocalHost, settings: Settings, fake_ssh: Path
) -> None:
    settings.GIT_ALLOWED_HOSTS = ["github.com"]
    with pytest.raises(git.GitFailed):
        git.look(host, "https://github.com/acme/app", deploy_key=Secret("KEY LINE\r\nEND"))
    arguments = (fake_ssh / "arguments").read_text().splitlines()
    assert "git@github.com" in arguments
    assert {"StrictHostKeyChecking=yes", "BatchMode=yes", "IdentitiesOnly=yes", "ForwardAgent=no"} <= set(
        arguments
    )
    assert arguments[arguments.index("-F") + 1] == "/dev/null"
    assert (fake_ssh / "mode").read_text().strip() == "600"
    assert (fake_ssh / "key").read_text() == "KEY LINE\nEND\n"
    assert (fake_ssh / "known_hosts").read_text().startswith("github.com ssh-ed25519 ")
    assert os.listdir(f"{host.root}/files") == []


def test_an_unknown_ssh_server_is_remembered_in_a_file_of_ours(
    host: LocalHost, settings: Settings, fake_ssh: Path
) -> None:
    settings.GIT_ALLOWED_HOSTS = ["ssh://git.corp:2222"]
    with pytest.raises(git.GitFailed):
        git.look(host, "ssh://git@git.corp:2222/acme/app", deploy_key=Secret("KEY"))
    arguments = (fake_ssh / "arguments").read_text().splitlines()
    assert "StrictHostKeyChecking=accept-new" in arguments
    assert f'UserKnownHostsFile="{host.root}/git/known_hosts"' in arguments
    assert arguments[arguments.index("-p") + 1] == "2222"


@pytest.fixture
def example(tmp_path: Path, settings: Settings) -> str:
    settings.EXAMPLES_DIR = tmp_path / "my examples"
    settings.DATA_DIR = tmp_path / "data"
    folder = settings.EXAMPLES_DIR / "iris"
    (folder / "__pycache__").mkdir(parents=True)
    (folder / "__pycache__" / "x.pyc").write_text("x")
    for name, text in FILES.items():
        (folder / name).write_text(text)
    return f"file://{folder}"


def test_an_example_becomes_the_same_commit_every_time(
    host: LocalHost, example: str, settings: Settings, tmp_path: Path
) -> None:
    first = ensure_example(host, example)
    folder = settings.EXAMPLES_DIR / "iris"
    os.utime(folder / "app.py", (1, 1))
    assert ensure_example(host, example) == first
    settings.DATA_DIR = tmp_path / "other data"
    assert ensure_example(host, example) == first
    (folder / "app.py").write_text("print('new')\n")
    second = ensure_example(host, example)
    assert second != first
    for commit, text in ((second, "print('new')\n"), (first, "print('hello')\n")):
        code, output = check_out(host, git.remote_for(example), commit, name=commit)
        assert code == 0, output
        assert (tree_of(host, commit) / "app.py").read_text() == text
    assert not (tree_of(host, first) / "__pycache__").exists()


def test_many_may_take_the_same_snapshot_at_once(host: LocalHost, example: str, settings: Settings) -> None:
    with ThreadPoolExecutor(6) as pool:
        commits = set(pool.map(lambda _: ensure_example(host, example), range(6)))
    assert len(commits) == 1
    assert os.listdir(settings.DATA_DIR / "examples") == ["iris.git"]


def test_the_preflight_of_an_example_is_all_well(host: LocalHost, example: str) -> None:
    checks = preflight.check_repository(example, host=host)
    assert [(check.name, check.ok) for check in checks] == [
        ("repository", True), ("branch", True), ("dockerfile", True), ("port", True)
    ]  # fmt: skip
    assert checks[3].values == ("8080",)


def test_a_rebinding_name_is_refused_when_it_is_used(
    host: LocalHost, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.GIT_ALLOWED_HOSTS = ["*"]
    monkeypatch.setattr("socket.getaddrinfo", lambda *a, **k: [(2, 1, 6, "", ("127.0.0.1", 0))])
    with pytest.raises(git.GitFailed) as failure:
        git.look(host, "https://rebind.example.com/a/b")
    assert failure.value.code == "git_host_refused"
    monkeypatch.setattr("socket.getaddrinfo", lambda *a, **k: [(2, 1, 6, "", ("140.82.112.3", 0))])
    assert (
        git.remote_for("https://rebind.example.com/a/b").pinned_address
        == "rebind.example.com:443:140.82.112.3"
    )
