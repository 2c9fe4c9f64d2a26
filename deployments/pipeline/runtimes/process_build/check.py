"""Looks a Dockerfile over before anything is built: what cannot be honoured is refused at once."""

from __future__ import annotations

import posixpath

from deployments.pipeline.dockerfile import Dockerfile, Instruction, Stage, sources_named
from deployments.pipeline.runtimes.process_build import shell
from deployments.pipeline.runtimes.process_build.bases import python_version
from deployments.pipeline.runtimes.process_build.cannot import CannotHonour

PACKAGE_MANAGERS = (
    "apk", "apt", "apt-get", "aptitude", "brew", "conda", "dnf", "dpkg", "emerge", "mamba", "microdnf", "pacman", "rpm",
    "snap", "yum", "zypper",
)  # fmt: skip
SYSTEM_TOOLS = (
    "chroot",
    "docker",
    "iptables",
    "modprobe",
    "mount",
    "podman",
    "service",
    "sysctl",
    "systemctl",
    "umount",
)
REMOTE = ("http://", "https://", "git://", "git@", "ssh://")


def check(file: Dockerfile) -> None:
    """Raise CannotHonour for the first line that needs an engine."""
    for stage in file.needed_stages():
        if stage.parent is None:
            python_version(stage.base, line=stage.line)
        for instruction in stage.instructions:
            _check_instruction(file, stage, instruction)
    final = file.final_stage
    if final.command is None and final.entrypoint is None:
        raise CannotHonour(final.line, "There is neither CMD nor ENTRYPOINT, so nothing says what to run.")


def _check_instruction(file: Dockerfile, stage: Stage, instruction: Instruction) -> None:
    for name in sources_named(instruction):
        if file.find_stage(name, before=stage.number) is None:
            raise CannotHonour(
                instruction.line, f"It copies from the image {name[:200]}, which cannot be pulled here."
            )
    if instruction.keyword == "RUN":
        _check_run(instruction)
    elif instruction.keyword == "ADD" and any(word.startswith(REMOTE) for word in instruction.words[:-1]):
        raise CannotHonour(
            instruction.line, "ADD from an address is not carried out here; fetch it in a RUN line."
        )


def _check_run(instruction: Instruction) -> None:
    for flag, value in instruction.flags:
        if flag == "mount" and any(f"type={kind}" in value.split(",") for kind in ("secret", "ssh")):
            raise CannotHonour(
                instruction.line, f"RUN --mount={value[:100]} needs secrets that only an engine hands over."
            )
    for text in scripts(instruction):
        if shell.pipes_into_a_shell(text):
            raise CannotHonour(instruction.line, "RUN fetches a program and runs it at once.")
        for words in shell.simple_commands(text):
            _check_command(instruction.line, posixpath.basename(words[0]))


def scripts(instruction: Instruction) -> list[str]:
    """What a RUN line gives to a shell: its text, and a heredoc that is a script by itself."""
    if instruction.json:
        words = instruction.words
        is_shell = posixpath.basename(words[0]) in ("sh", "bash", "dash") and len(words) > 2
        return [words[2]] if is_shell else [" ".join(words)]
    if is_script(instruction):
        return [instruction.heredocs[0].content]
    return [instruction.text]


def is_script(instruction: Instruction) -> bool:
    """Whether the whole RUN line is one heredoc, `RUN <<EOF`."""
    return (
        len(instruction.heredocs) == 1
        and instruction.text.startswith("<<")
        and len(instruction.text.split()) == 1
    )


def _check_command(line: int, command: str) -> None:
    if command in PACKAGE_MANAGERS:
        raise CannotHonour(line, f"RUN {command} installs system packages, which would change this machine.")
    if command in SYSTEM_TOOLS:
        raise CannotHonour(line, f"RUN {command} acts on the whole system.")
