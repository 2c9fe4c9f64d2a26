"""Container paths are led below the image's root, and nothing leads out of it."""

import os
import shlex
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deployments.pipeline.runtimes.process_build.paths import EscapeError, Tree
from deployments.pipeline.runtimes.process_build.texts import adapt_pip, written_paths

TREE = Tree("/R")

REWRITTEN = {
    "cd /app && python /app/x.py": "cd /R/app && python /R/app/x.py",
    "pip install --prefix=/install x": "pip install --prefix=/R/install x",
    "PATH=/opt/venv/bin:/usr/local/bin:$PATH": "PATH=/R/opt/venv/bin:/R/usr/local/bin:$PATH",
    "echo '/data' > \"/tmp/x\"": "echo '/R/data' > \"/R/tmp/x\"",
    "curl https://x.example/app/data": "curl https://x.example/app/data",
    "cat ./app/x ../app a/app $HOME/app ${X}/app ~/app": "cat ./app/x ../app a/app $HOME/app ${X}/app ~/app",
    "/usr/bin/env python; /bin/sh x </dev/null": "/usr/bin/env python; /bin/sh x </dev/null",
    "/application /app-x /app.py /apples": "/application /app-x /app.py /apples",
    "cat /etc/os-release": "cat /etc/os-release",
    "find / -name '*.pyc' -delete": "find /R/ -name '*.pyc' -delete",
    "rm -rf /": "rm -rf /R/",
    "python -c 'print(4 / 2)'": "python -c 'print(4 / 2)'",
    "ls /root/.cache,/srv;/home": "ls /R/root/.cache,/R/srv;/R/home",
}


@pytest.mark.parametrize(("text", "expected"), REWRITTEN.items())
def test_rewriting(text: str, expected: str) -> None:
    assert TREE.rewrite(text) == expected


def test_a_claimed_path_is_the_images_own_but_its_neighbours_are_not() -> None:
    tree = Tree("/R")
    tree.claim("/etc/app.conf")
    tree.claim("/stuff/deep")
    assert (
        tree.rewrite("cat /etc/app.conf /etc/hosts /stuff/x") == "cat /R/etc/app.conf /etc/hosts /R/stuff/x"
    )


def test_devices_and_processes_are_never_claimed() -> None:
    tree = Tree("/R")
    for path in ("/dev/null", "/proc/self/x", "/sys/x", "/", "relative"):
        tree.claim(path)
    assert tree.claimed == set()


def test_what_the_image_has_is_its_own(tmp_path: Path) -> None:
    (tmp_path / "etc/nginx-of-ours").mkdir(parents=True)
    (tmp_path / "usr/bin").mkdir(parents=True)
    (tmp_path / "usr/bin/tool").touch()
    (tmp_path / "special").mkdir()
    tree = Tree(str(tmp_path))
    assert tree.rewrite("/usr/bin/tool /usr/bin/env") == f"{tmp_path}/usr/bin/tool /usr/bin/env"
    assert (
        tree.rewrite("/etc/nginx-of-ours/x /special /etc/hosts")
        == f"{tmp_path}/etc/nginx-of-ours/x {tmp_path}/special /etc/hosts"
    )


def test_a_search_path_looks_into_the_image_first() -> None:
    assert TREE.rewrite_search_path("/opt/venv/bin:/usr/local/bin:/usr/bin") == (
        "/R/opt/venv/bin:/R/usr/local/bin:/R/usr/bin:/usr/bin"
    )


LINKS = {
    "absolute": "/etc/passwd",
    "climbing": "../../../../../../etc/passwd",
    "to a link": "absolute",
}


@pytest.mark.parametrize(
    "path", [*LINKS, "../../etc/passwd", "folder/../../../../etc/passwd", "absolute/../../etc/passwd"]
)
def test_no_path_leads_out(tmp_path: Path, path: str) -> None:
    for name, target in LINKS.items():
        (tmp_path / name).symlink_to(target)
    assert Tree(str(tmp_path)).resolve(path).startswith(f"{tmp_path}/etc")


def test_a_link_into_the_root_is_followed_as_the_container_would(tmp_path: Path) -> None:
    (tmp_path / "current").symlink_to(tmp_path / "releases/1")
    assert Tree(str(tmp_path)).resolve("/current/x") == f"{tmp_path}/releases/1/x"


def test_a_circle_of_links_ends(tmp_path: Path) -> None:
    (tmp_path / "a").symlink_to("b")
    (tmp_path / "b").symlink_to("a")
    with pytest.raises(EscapeError):
        Tree(str(tmp_path)).resolve("/a/x")


@given(st.text("ab./", max_size=40))
def test_no_text_resolves_outside(path: str) -> None:
    resolved = Tree("/nonexistent/root").resolve(path)
    assert os.path.normpath(resolved) == resolved.rstrip("/")
    assert (resolved + "/").startswith("/nonexistent/root/")


WRITTEN = {
    "touch /etc/x": ["/etc/x"],
    "echo a > /etc/a 2>>/etc/b": ["/etc/a", "/etc/b"],
    "mkdir -p /a /b && cp -r x /c": ["/a", "/b", "/c"],
    "ln -s /usr/bin/python3 /usr/bin/python": ["/usr/bin/python"],
    "curl -o /weights/m.bin https://x": ["/weights/m.bin"],
    "tar -xzf x.tgz -C /stuff": ["/stuff"],
    "pip install --target=/deps x": ["/deps"],
    "python -m venv /envs/one": ["/envs/one"],
    "cat /etc/hosts": [],
}


@pytest.mark.parametrize(("text", "expected"), WRITTEN.items())
def test_paths_that_a_text_plainly_writes_to(text: str, expected: list[str]) -> None:
    assert sorted(written_paths(text)) == sorted(expected)


PIP = {
    "pip install --no-cache-dir -r r.txt && x --no-cache-dir": "pip install -r r.txt && x --no-cache-dir",
    "python -m pip --quiet install x --no-cache-dir": "python -m pip --quiet install x",
    "pip3.11 install --user x": 'pip3.11 install --ignore-installed --prefix="$HOME/.local" x',
    "uv pip install --system x": "uv pip install x",
    "pip list --user": "pip list --user",
}


@pytest.mark.parametrize(("text", "expected"), PIP.items())
def test_pip_keeps_its_cache_and_finds_its_home(text: str, expected: str) -> None:
    assert shlex.split(adapt_pip(text)) == shlex.split(expected)
