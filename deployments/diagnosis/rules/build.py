"""What builders, package installers and engines print when there is no image in the end."""

from deployments.diagnosis.base import Button, Rule, saying
from deployments.diagnosis.codes import ANY_ACT, BUILD, RUN

RETRY = Button("Retry", "retry")
ARCHITECTURE = "The image or a program in it is for another kind of processor (ARM against x86-64)"
OTHER_PROCESSOR = (
    "Build for the machine's own processor: in the Dockerfile name the platform as below, or take an image made for both. "
    "Then deploy again."
)
PLATFORM = "FROM --platform=linux/amd64 python:3.11-slim"

RULES: tuple[Rule, ...] = (
    saying(
        13, ANY_ACT | {"disk_full", "job_lost"}, r"[Nn]o space left on device|ENOSPC|[Dd]isk quota exceeded|not enough free space",
        title="The machine's disk is full",
        meaning="There was no space left to write what was needed.",
        fix="Clean the machine up (old images first) or give it a larger disk; then retry.",
        button=Button("Clean the machine up", "clean_host"),
    ),
    saying(
        13, {"disk_full"}, r"disk|space|full",
        title="The machine's disk is full",
        meaning="There was no space left to write what was needed.",
        fix="Clean the machine up (old images first) or give it a larger disk; then retry.",
        button=Button("Clean the machine up", "clean_host"), places=("detail",), alone=True,
    ),
    saying(
        12, BUILD, r"exit code:? 137|returned a non-zero code: 137|signal: killed|\bKilled\b(?! by)|cannot allocate memory|Cannot allocate memory|JavaScript heap out of memory|killed \(exit code 137\)",
        title="The build ran out of memory",
        meaning="The kernel killed a command of the Dockerfile because the machine had no memory left; the application's own limit does not count here.",
        fix="Build on a machine with more memory or add swap to this one. Often a lighter package helps, e.g. PyTorch for the processor only (the line below).",
        button=RETRY, places=("detail", "log_tail"),
        snippet="RUN pip install --no-cache-dir torch --index-url https://download.pytorch.org/whl/cpu",
    ),
    saying(
        14, BUILD, r"No matching distribution found for (?P<package>[^\s(;]+)",
        title="pip finds no {package} that fits",
        meaning="The name or version does not exist, or it is not made for this Python version or processor.",
        fix="Correct {package} in the requirements (see its page on the package index for the Python versions it supports), or change the Python version in FROM. Then deploy again.",
    ),
    saying(
        14, BUILD, r"[Cc]ould not find a version that satisfies the requirement (?P<package>[^\s(]+)",
        title="pip finds no {package} that fits",
        meaning="The name or version does not exist, or it is not made for this Python version or processor.",
        fix="Correct {package} in the requirements, or change the Python version in FROM. Then deploy again.",
    ),
    saying(
        14, BUILD | RUN | {"command_failed"}, r"exec format error|Exec format error",
        title="A program is for another kind of processor",
        meaning=f"{ARCHITECTURE}, so the machine cannot run it.",
        fix=OTHER_PROCESSOR, snippet=PLATFORM,
    ),
    saying(
        14, BUILD, r"no matching manifest for (?P<platform>\S+)|does not match the specified platform",
        title="The base image is not made for this processor",
        meaning="The registry has it for other processors only; the machine needs {platform}.",
        fix="Take a base image that is made for {platform}, or a machine with the other processor. Then deploy again.",
    ),
)  # fmt: skip
