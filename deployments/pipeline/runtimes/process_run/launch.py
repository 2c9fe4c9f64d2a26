"""Puts together how an application is started: words, variables, folder, and what is said about them."""

from __future__ import annotations

import os
import posixpath
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from deployments.pipeline.runtimes.process_build import identity
from deployments.pipeline.runtimes.process_build.paths import Tree
from deployments.pipeline.runtimes.process_build.runs import home
from deployments.pipeline.runtimes.process_run.command import (
    SHELLS,
    Ports,
    adapt,
    adapt_environment,
    adapt_text,
    command_of,
)

SCRIPT_LIMIT = 64 * 1024


@dataclass(frozen=True)
class Launch:
    """All that exec needs. Holds the values of variables, so it is never printed."""

    argv: list[str]
    env: dict[str, str]
    workdir: str
    notes: tuple[str, ...]

    def __repr__(self) -> str:
        return f"Launch({self.argv!r})"


def prepare(spec: Mapping[str, Any], folder: Path, variables: Mapping[str, str]) -> Launch:
    """From the container's specification and the values of its variables to what is started."""
    image = spec["image_config"]
    tree = Tree(f"{spec['folder']}/root")
    tree.claimed.update(image["claimed"])
    ports = Ports(spec["container_port"], spec["host_port"])
    words = command_of(image)
    workdir = tree.resolve(image["workdir"])
    temporary = folder / "tmp"
    # Made anew: an application of before could have left links there for us to write through.
    shutil.rmtree(temporary, ignore_errors=True)
    temporary.mkdir(mode=0o700)
    env = {
        "LANG": "C.UTF-8",
        "PYTHONUNBUFFERED": "1",
        "HOST": "127.0.0.1",
        "HOME": home(tree, image["user"]),
        "TMPDIR": str(temporary),
        **adapt_environment(image["env"], tree, ports),
        **variables,
        "PORT": str(ports.outside),
        "PORTAL_PORT_MAP": f"{ports.inside}:{ports.outside}",
    }
    argv = _with_script(adapt(words, tree, ports), env["PATH"], workdir, tree, ports, temporary)
    identity.give(str(temporary), spec["uid"])
    return Launch(argv, env, workdir, tuple(_notes(spec, words, argv, tree, ports)))


def _with_script(
    argv: list[str], search_path: str, workdir: str, tree: Tree, ports: Ports, temporary: Path
) -> list[str]:
    """A start script of the image names ports and paths too: a changed copy of it is run instead."""
    is_shell = posixpath.basename(argv[0]) in SHELLS and len(argv) > 1 and not argv[1].startswith("-")
    place = 1 if is_shell else 0
    found = None if "/" in argv[place] or is_shell else shutil.which(argv[place], path=search_path)
    path = found or os.path.join(workdir, argv[place])
    content = _shell_script(path) if os.path.realpath(path).startswith(tree.root + "/") else None
    if content is None:
        return argv
    changed = adapt_text(tree.rewrite(content), ports)
    if changed == content:
        return argv
    copy = temporary / f"start-{posixpath.basename(path)}"
    copy.write_text(changed)
    copy.chmod(0o755)
    return [*argv[:place], str(copy), *argv[place + 1 :]]


def _shell_script(path: str) -> str | None:
    try:
        if not os.path.isfile(path) or os.path.getsize(path) > SCRIPT_LIMIT:
            return None
        content = Path(path).read_text()
    except (OSError, UnicodeDecodeError):
        return None
    first = content.partition("\n")[0]
    is_shell = first.startswith("#!") and any(
        posixpath.basename(word) in SHELLS for word in first[2:].split()
    )
    return content if is_shell else None


def _notes(
    spec: Mapping[str, Any], words: list[str], argv: list[str], tree: Tree, ports: Ports
) -> Iterator[str]:
    # As the image names its paths: where they really are is long, and of no use to a reader.
    shown, said = " ".join(argv).replace(tree.root, ""), " ".join(words)
    yield f"Starting {spec['image']}: {shown[:500]}"
    if shown != said:
        yield f"The image says: {said[:500]}"
    yield f"It must listen on port {ports.outside} ($PORT); port {ports.inside} of the image stands for it."
    if spec["uid"] is None and os.geteuid() == 0:
        yield "WARNING: it runs as the portal's own user."
