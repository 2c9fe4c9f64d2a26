"""Builds the stages of a Dockerfile, one folder each."""

from __future__ import annotations

import os
import posixpath
import time
from collections.abc import Mapping
from pathlib import Path

from deployments.pipeline.dockerfile import Dockerfile, Instruction, Stage
from deployments.pipeline.dockerfile.expand import expand_heredoc
from deployments.pipeline.runtimes.process_build import environment
from deployments.pipeline.runtimes.process_build.copying import Source, copy, unpack
from deployments.pipeline.runtimes.process_build.ignore import Ignore
from deployments.pipeline.runtimes.process_build.interpreters import Interpreter
from deployments.pipeline.runtimes.process_build.paths import Tree
from deployments.pipeline.runtimes.process_build.runs import Runner, home
from deployments.pipeline.runtimes.process_build.shims import Shims

SILENT = (
    "ARG",
    "CMD",
    "ENTRYPOINT",
    "ENV",
    "EXPOSE",
    "HEALTHCHECK",
    "LABEL",
    "MAINTAINER",
    "ONBUILD",
    "SHELL",
    "STOPSIGNAL",
)


def say(text: str) -> None:
    """Write a line into the log of the build."""
    print(text, flush=True)


class StageBuilder:
    """Holds what the stages of one build have in common, and the roots made so far."""

    def __init__(
        self,
        file: Dockerfile,
        *,
        folder: str,
        context: str,
        ignore: Ignore,
        interpreter: Interpreter,
        pip_wheels: tuple[str, ...],
        given: Mapping[str, str],
    ) -> None:
        self.file = file
        self.folder = folder
        self.source = Source(context, ignore)
        self.interpreter = interpreter
        self.pip_wheels = pip_wheels
        self.given = given
        self.shims = Shims(f"{folder}/shims")
        self.trees: dict[int, Tree] = {}

    def build(self) -> Tree:
        """Build every stage that is needed; returns the root of the final one."""
        self.shims.make()
        for stage in self.file.needed_stages():
            self.trees[stage.number] = self._build_stage(stage)
        return self.trees[self.file.final_stage.number]

    def _build_stage(self, stage: Stage) -> Tree:
        final = stage is self.file.final_stage
        tree = Tree(f"{self.folder}/{'root' if final else f's{stage.number}'}")
        self._begin(stage, tree)
        acting = [each for each in stage.instructions if each.keyword not in SILENT]
        for count, instruction in enumerate(acting, 1):
            began = time.monotonic()
            name = stage.name or f"stage {stage.number + 1}"
            say(f"[{name} {count}/{len(acting)}] {instruction.keyword} {_first_line(instruction)}")
            self._carry_out(instruction, stage, tree)
            seconds = time.monotonic() - began
            if seconds >= 1:
                say(f"[{name} {count}/{len(acting)}] done in {seconds:.1f} s")
        return tree

    def _begin(self, stage: Stage, tree: Tree) -> None:
        environment.make(tree.root, self.interpreter)
        if stage.parent is not None:
            parent = self.trees[stage.parent]
            tree.claimed |= parent.claimed
            copy(Source(parent.root, stage=parent), ["/"], "/", tree)
        if any(each.keyword == "RUN" for each in stage.instructions):
            environment.add_pip(tree.root, self.interpreter, self.pip_wheels)

    def _carry_out(self, instruction: Instruction, stage: Stage, tree: Tree) -> None:
        if instruction.keyword == "RUN":
            self._run(instruction, stage, tree)
        elif instruction.keyword in ("COPY", "ADD"):
            self._copy(instruction, stage, tree)
        elif instruction.keyword in ("WORKDIR", "VOLUME"):
            for folder in instruction.words:
                tree.claim(folder)
                os.makedirs(tree.resolve(folder), exist_ok=True)
        elif instruction.keyword == "USER":
            say("        (the application runs as a user of its own)")
            home(tree, instruction.words[0])

    def _run(self, instruction: Instruction, stage: Stage, tree: Tree) -> None:
        runner = Runner(tree, self.source.folder, self.shims, self.given)
        by_name = {
            other.name: self.trees[other.number] for other in self.file.stages if other.number in self.trees
        }
        by_number = {str(number): each for number, each in self.trees.items()}
        runner.run(instruction, {**by_number, **by_name})

    def _copy(self, instruction: Instruction, stage: Stage, tree: Tree) -> None:
        *sources, destination = instruction.words
        folder = instruction.surroundings.workdir
        target = posixpath.normpath(posixpath.join(folder, destination)).replace("//", "/")
        # The slash at the end says that a folder is meant.
        if destination.endswith("/") or destination in (".", ".."):
            target = target.rstrip("/") + "/"
        documents = {f"<<{each.name}" for each in instruction.heredocs}
        documents |= {f"<<-{each.name}" for each in instruction.heredocs}
        plain = [word for word in sources if word.replace("'", "").replace('"', "") not in documents]
        self._write_heredocs(instruction, target, tree, alone=len(sources) == 1)
        if instruction.flag("chown") is not None:
            say("        (--chown is not needed: all files belong to the application's user)")
        source = self._source_of(instruction, stage)
        if instruction.keyword == "ADD":
            plain = [word for word in plain if not unpack(Tree(source.folder).resolve(word), target, tree)]
        if plain:
            copy(source, plain, target, tree, mode=_mode(instruction))

    def _source_of(self, instruction: Instruction, stage: Stage) -> Source:
        name = instruction.flag("from")
        if name is None:
            return self.source
        other = self.file.find_stage(name, before=stage.number)
        assert other is not None, "checked before the build"
        tree = self.trees[other.number]
        return Source(tree.root, stage=tree)

    def _write_heredocs(self, instruction: Instruction, target: str, tree: Tree, *, alone: bool) -> None:
        for document in instruction.heredocs:
            content = document.content
            if document.expand:
                content = expand_heredoc(content, instruction.surroundings.env, line=instruction.line)
            inner = target if alone and not target.endswith("/") else posixpath.join(target, document.name)
            tree.claim(inner)
            place = Path(tree.resolve(inner))
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_text(content)
            place.chmod(_mode(instruction) or 0o644)


def _mode(instruction: Instruction) -> int | None:
    text = instruction.flag("chmod") or ""
    return int(text, 8) & 0o777 if text and all(character in "01234567" for character in text) else None


def _first_line(instruction: Instruction) -> str:
    return " ".join(instruction.text.split())[:200]
