"""COPY without an engine: what Docker would copy, and never anything from outside."""

import os
import tarfile
from pathlib import Path

import pytest

from deployments.pipeline.runtimes.process_build.copying import CopyError, Source, copy, unpack
from deployments.pipeline.runtimes.process_build.ignore import Ignore
from deployments.pipeline.runtimes.process_build.paths import Tree

IGNORED = {
    "*.pyc": ({"a.pyc"}, {"b/a.pyc", "a.py"}),
    "**/*.pyc": ({"a.pyc", "b/c/a.pyc"}, {"a.py"}),
    "# comment\n\n/build/": ({"build", "build/x/y"}, {"b", "x/build"}),
    "docs\n!docs/keep.md": ({"docs/x", "docs"}, {"docs/keep.md"}),
    "*\n!app\n!app/**": ({"x", "x/y"}, {"app", "app/y/z"}),
    "a?c": ({"abc"}, {"ac", "a/c"}),
    "[a-c]x": ({"ax"}, {"dx"}),
    "!x\nx": ({"x"}, {"y"}),
    "**/node_modules": ({"node_modules", "a/b/node_modules/c"}, {"node_modules_not"}),
    "[": (set(), {"x"}),
    ".": (set(), {"x"}),
}  # fmt: skip


@pytest.mark.parametrize(("text", "expected"), IGNORED.items())
def test_dockerignore(text: str, expected: tuple[set[str], set[str]]) -> None:
    ignore = Ignore(text)
    left_out, kept = expected
    assert {path for path in left_out | kept if ignore.excludes(path)} == left_out


@pytest.fixture
def source(tmp_path: Path) -> Path:
    folder = tmp_path / "checkout"
    for path in ("app.py", "requirements.txt", "pkg/a.py", "pkg/b.py", "pkg/sub/c.py", "pkg/x.pyc"):
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(path)
    (tmp_path / "secret").write_text("secret")
    return folder


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    (tmp_path / "root/app").mkdir(parents=True)
    return Tree(str(tmp_path / "root"))


def files(tree: Tree) -> set[str]:
    return {str(path.relative_to(tree.root)) for path in Path(tree.root).rglob("*") if not path.is_dir()}


COPIES = {
    ("app.py", "/app/"): {"app/app.py"},
    ("app.py", "/app"): {"app/app.py"},
    ("app.py", "/app/main.py"): {"app/main.py"},
    ("app.py", "/new/place/"): {"new/place/app.py"},
    ("*.txt", "/app/"): {"app/requirements.txt"},
    ("requirements*.txt", "/app/r.txt"): {"app/r.txt"},
    ("pkg", "/app/"): {"app/a.py", "app/b.py", "app/sub/c.py"},
    ("pkg/", "/app/pkg"): {"app/pkg/a.py", "app/pkg/b.py", "app/pkg/sub/c.py"},
    ("pkg/*.py", "/app/"): {"app/a.py", "app/b.py"},
    (".", "/code"): {
        "code/app.py",
        "code/requirements.txt",
        "code/pkg/a.py",
        "code/pkg/b.py",
        "code/pkg/sub/c.py",
    },
    ("/app.py", "/app/"): {"app/app.py"},
    ("../checkout/app.py", "/app/"): None,
    ("../secret", "/app/"): None,
    ("missing.py", "/app/"): None,
    ("*.missing", "/app/"): None,
    ("pkg/x.pyc", "/app/"): None,
}


@pytest.mark.parametrize(("words", "expected"), COPIES.items())
def test_copy(source: Path, tree: Tree, words: tuple[str, str], expected: set[str] | None) -> None:
    where = Source(str(source), Ignore("**/*.pyc"))
    if expected is None:
        with pytest.raises(CopyError):
            copy(where, [words[0]], words[1], tree)
    else:
        copy(where, [words[0]], words[1], tree)
        assert files(tree) == expected


def test_several_sources_go_into_a_folder(source: Path, tree: Tree) -> None:
    copy(Source(str(source)), ["app.py", "requirements.txt"], "/x", tree)
    assert files(tree) == {"x/app.py", "x/requirements.txt"}


def test_a_link_that_leads_out_of_the_checkout_shows_nothing_of_the_machine(source: Path, tree: Tree) -> None:
    (source / "out").symlink_to("../secret")
    (source / "passwd").symlink_to("/etc/passwd")
    copy(Source(str(source)), ["."], "/app", tree)
    for name in ("out", "passwd"):
        target = os.path.realpath(f"{tree.root}/app/{name}")
        assert target.startswith(tree.root), target
    with pytest.raises(CopyError):
        copy(Source(str(source)), ["passwd"], "/app/p", tree)


def test_nothing_is_written_through_a_link_of_the_image(source: Path, tree: Tree, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    Path(tree.root, "app/evil").symlink_to(outside)
    copy(Source(str(source)), ["app.py"], "/app/evil/app.py", tree)
    copy(Source(str(source)), ["app.py"], "/../../outside/app.py", tree)
    assert list(outside.iterdir()) == []


def test_links_within_the_checkout_stay_links(source: Path, tree: Tree) -> None:
    (source / "pkg/link.py").symlink_to("a.py")
    copy(Source(str(source)), ["pkg"], "/app/pkg", tree)
    assert os.readlink(f"{tree.root}/app/pkg/link.py") == "a.py"


def test_scripts_of_another_stage_name_the_new_place(tree: Tree, tmp_path: Path) -> None:
    other = Tree(str(tmp_path / "stage"))
    script = Path(other.root, "install/bin/tool")
    script.parent.mkdir(parents=True)
    script.write_text(f"#!{other.root}/usr/local/bin/python\nprint(1)\n")
    script.chmod(0o755)
    Path(other.root, "install/bin/alias").symlink_to(f"{other.root}/install/bin/tool")
    copy(Source(other.root, stage=other), ["/install"], "/usr/local", tree)
    copied = Path(tree.root, "usr/local/bin/tool")
    assert copied.read_text().startswith(f"#!{tree.root}/usr/local/bin/python\n")
    assert os.access(copied, os.X_OK)
    assert os.readlink(f"{tree.root}/usr/local/bin/alias") == f"{tree.root}/install/bin/tool"


def test_add_unpacks_archives_but_not_out_of_the_image(tmp_path: Path, tree: Tree) -> None:
    (tmp_path / "file").write_text("x")
    good, bad = tmp_path / "good.tar.gz", tmp_path / "bad.tar"
    with tarfile.open(good, "w:gz") as archive:
        archive.add(tmp_path / "file", "inner/file")
    with tarfile.open(bad, "w") as archive:
        archive.add(tmp_path / "file", "../../escaped")
    assert unpack(str(good), "/app", tree)
    assert Path(tree.root, "app/inner/file").exists()
    with pytest.raises((tarfile.TarError, OSError)):
        unpack(str(bad), "/app", tree)
    assert not (tmp_path / "escaped").exists()
    assert not unpack(str(tmp_path / "file"), "/app", tree)
