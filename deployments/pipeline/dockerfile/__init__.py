"""Our own reader of Dockerfiles: pure, small, and calm about hostile input."""

from deployments.pipeline.dockerfile.model import (
    Command,
    Dockerfile,
    DockerfileError,
    Heredoc,
    Instruction,
    Port,
    Stage,
    Surroundings,
    sources_named,
)
from deployments.pipeline.dockerfile.reader import read

__all__ = [
    "Command",
    "Dockerfile",
    "DockerfileError",
    "Heredoc",
    "Instruction",
    "Port",
    "Stage",
    "Surroundings",
    "read",
    "sources_named",
]
