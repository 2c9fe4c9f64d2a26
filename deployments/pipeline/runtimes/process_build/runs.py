"""Carries out one RUN line in the image's root."""

from __future__ import annotations

import contextlib
import os
import posixpath
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from deployments.pipeline.dockerfile import Instruction, Surroundings
from deployments.pipeline.runtimes.process_build import texts
from deployments.pipeline.runtimes.process_build.cannot import CannotHonour
from deployments.pipeline.runtimes.process_build.check import is_script, scripts
from deployments.pipeline.runtimes.process_build.paths import Tree
from deployments.pipeline.runtimes.process_build.shims import Shims
from deployments.pipeline.runtimes.process_run import processes

# The whole job has a deadline; this one only keeps a forgotten command from waiting for ever.
LONGEST_RUN_SECONDS = 6 * 3600
END_SECONDS = 5.0


class RunFailed(Exception):
    """A command ended with an exit code other than 0."""

    def __init__(self, line: int, code: int) -> None:
        super().__init__(f"line {line}: the command ended with exit code {code}.")
        self.code = code


@dataclass(frozen=True)
class Runner:
    """Runs the commands of one stage; `given` is the machine's own configuration for pip and the network."""

    tree: Tree
    context: str
    shims: Shims
    given: Mapping[str, str]

    def run(self, instruction: Instruction, mounted: Mapping[str, Tree]) -> None:
        """Run it to its end, its output going to ours; raises when it fails or needs an engine."""
        for text in scripts(instruction):
            for path in texts.written_paths(text):
                self.tree.claim(path)
        with contextlib.ExitStack() as stack:
            argv = stack.enter_context(self._command(instruction))
            for flag, value in instruction.flags:
                if flag == "mount":
                    stack.enter_context(self._mount(value, instruction.surroundings.workdir, mounted))
            code = self._execute(argv, instruction.surroundings)
        refused = self.shims.refused()
        if refused and code:
            raise CannotHonour(instruction.line, f"RUN calls {refused}, which would change this machine.")
        if code:
            raise RunFailed(instruction.line, code)

    @contextlib.contextmanager
    def _command(self, instruction: Instruction) -> Iterator[list[str]]:
        """The argument list; a script with a `#!` line of its own lies in a file meanwhile."""
        shell = list(instruction.surroundings.shell)
        if instruction.json:
            yield [self._adapt(word) for word in instruction.words]
        elif is_script(instruction):
            content = instruction.heredocs[0].content
            if not content.startswith("#!"):
                yield [*shell, self._adapt(content)]
                return
            with tempfile.TemporaryDirectory(dir=self._scratch()) as folder:
                script = Path(folder) / "script"
                script.write_text(self._adapt(content))
                script.chmod(0o755)
                yield [str(script)]
        else:
            documents = "".join(f"\n{each.content}{each.name}" for each in instruction.heredocs)
            yield [*shell, self._adapt(instruction.text + documents)]

    def _adapt(self, text: str) -> str:
        return texts.adapt_pip(self.tree.rewrite(text))

    def _execute(self, argv: list[str], surroundings: Surroundings) -> int:
        folder = self.tree.resolve(surroundings.workdir)
        os.makedirs(folder, exist_ok=True)
        environment = self._environment(surroundings)
        try:
            process = subprocess.Popen(argv, cwd=folder, env=environment, stdin=subprocess.DEVNULL)
        except OSError as error:
            print(f"{argv[0]}: {error.strerror}", flush=True)
            return 127
        code = process.wait(timeout=LONGEST_RUN_SECONDS)
        end_children()
        return code if code >= 0 else 128 - code

    def _environment(self, surroundings: Surroundings) -> dict[str, str]:
        own = {name: self.tree.rewrite(value) for name, value in surroundings.env.items()}
        own.pop("PIP_NO_CACHE_DIR", None)
        own.pop("UV_SYSTEM_PYTHON", None)
        path = self.tree.rewrite_search_path(surroundings.env.get("PATH", ""))
        return {
            "LANG": "C.UTF-8",
            "VIRTUAL_ENV": f"{self.tree.root}/usr/local",
            **self.given,
            **own,
            "PATH": f"{self.shims.folder}:{path}",
            "HOME": home(self.tree, surroundings.user),
            "TMPDIR": self._scratch(),
            "PYTHONUNBUFFERED": "1",
            "PORTAL_REFUSED": str(self.shims.note),
        }

    def _scratch(self) -> str:
        folder = self.tree.resolve("/tmp")  # noqa: S108
        os.makedirs(folder, exist_ok=True)
        return folder

    @contextlib.contextmanager
    def _mount(self, value: str, workdir: str, stages: Mapping[str, Tree]) -> Iterator[None]:
        """`--mount=type=bind` as a copy for as long as the command runs; other kinds change nothing."""
        options = dict(part.partition("=")[::2] for part in value.split(","))
        target = options.get("target") or options.get("dst") or options.get("destination") or ""
        if options.get("type", "bind") != "bind" or not target:
            yield
            return
        source = Tree(stages[options["from"].lower()].root if "from" in options else self.context)
        real = source.resolve(options.get("source") or options.get("src") or "/")
        place = self.tree.resolve(posixpath.join(workdir, target))
        if os.path.lexists(place):
            yield
            return
        os.makedirs(os.path.dirname(place), exist_ok=True)
        if os.path.isdir(real):
            shutil.copytree(real, place, symlinks=True)
        else:
            shutil.copy2(real, place)
        try:
            yield
        finally:
            shutil.rmtree(place, ignore_errors=True) if os.path.isdir(place) else os.unlink(place)


def home(tree: Tree, user: str) -> str:
    """The home folder of a user of the image."""
    name = user.partition(":")[0]
    inner = "/root" if name in ("", "root", "0") or name.isdigit() or "/" in name else f"/home/{name}"
    folder = tree.resolve(inner)
    os.makedirs(folder, exist_ok=True)
    return folder


def end_children() -> None:
    """End whatever a command left running: a later line must not meet it."""
    processes.end(lambda: processes.members(os.getpid()), seconds=END_SECONDS)
    with contextlib.suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
