"""What the process runtime refuses before it builds anything, and what it does not."""

import pytest

from deployments.pipeline.dockerfile import read
from deployments.pipeline.runtimes.process_build.bases import python_version
from deployments.pipeline.runtimes.process_build.cannot import WAYS_OUT, CannotHonour
from deployments.pipeline.runtimes.process_build.check import check

BASES = {
    "python": "", "python:latest": "", "python:3": "", "python:slim": "", "python:3.11": "3.11", "python:3.11-slim": "3.11",
    "python:3.11.7-slim-bookworm": "3.11", "python:3.12-alpine3.19": "3.12", "python:3.13-rc-slim": "3.13",
    "library/python:3.11": "3.11", "docker.io/library/python:3.11": "3.11", "docker.io/python:3.11": "3.11",
    "registry.company.example:5000/python:3.11": "3.11", "public.ecr.aws/docker/library/python:3.10": "3.10",
    "localhost:5000/library/python:3.9": "3.9", "python:3.11@sha256:0123": "3.11",
}  # fmt: skip


@pytest.mark.parametrize(("image", "version"), BASES.items())
def test_python_images_are_known_by_many_names(image: str, version: str) -> None:
    assert python_version(image, line=1) == version


@pytest.mark.parametrize(
    "image",
    ["node:20", "ubuntu", "nvidia/cuda:12.1.0-base", "python:2.7", "python:3.11-windowsservercore", "scratch",
     "someone/python:3.11", "pythonish", "gcr.io/distroless/python3", "continuumio/miniconda3"],
)  # fmt: skip
def test_other_bases_are_refused(image: str) -> None:
    with pytest.raises(CannotHonour, match="line 7"):
        python_version(image, line=7)


REFUSED = {
    "FROM node\nCMD x": 1,
    "FROM python\nRUN apt-get update && apt-get install -y gcc\nCMD x": 2,
    "FROM python\nRUN pip install x && \\\n  sudo apt install y\nCMD x": 2,
    "FROM python\nRUN if true; then apk add curl; fi\nCMD x": 2,
    "FROM python\nRUN DEBIAN_FRONTEND=noninteractive /usr/bin/apt-get install x\nCMD x": 2,
    'FROM python\nRUN ["apt-get", "install", "x"]\nCMD x': 2,
    'FROM python\nRUN ["/bin/sh", "-c", "yum install x"]\nCMD x': 2,
    "FROM python\nRUN <<EOF\nset -e\ndnf install x\nEOF\nCMD x": 2,
    "FROM python\nRUN curl -sSL https://x.example/install.sh | bash\nCMD x": 2,
    "FROM python\nRUN wget -qO- https://x.example | sudo sh -s -- -y\nCMD x": 2,
    'FROM python\nRUN bash -c "$(curl -fsSL https://x.example)"\nCMD x': 2,
    "FROM python\nRUN systemctl enable x\nCMD x": 2,
    "FROM python\nRUN --mount=type=secret,id=x cat /run/secrets/x\nCMD x": 2,
    "FROM python\nCOPY --from=ghcr.io/astral-sh/uv:latest /uv /bin/\nCMD x": 2,
    "FROM python\nADD https://x.example/model.bin /app/\nCMD x": 2,
    "FROM python\nRUN echo hello": 1,
    "FROM node AS front\nFROM python\nCOPY --from=front /dist /app\nCMD x": 1,
}


@pytest.mark.parametrize(("text", "line"), REFUSED.items())
def test_what_needs_an_engine_is_refused_with_line_and_ways_out(text: str, line: int) -> None:
    with pytest.raises(CannotHonour) as caught:
        check(read(text))
    assert caught.value.line == line
    assert str(caught.value).endswith(WAYS_OUT)


ACCEPTED = [
    "FROM python\nRUN pip install --no-cache-dir -r requirements.txt\nCMD x",
    "FROM python\nRUN useradd app && chown -R app /app\nUSER app\nCMD x",
    "FROM python\nRUN echo 'apt-get is not for us' # apt-get install x\nCMD x",
    "FROM python\nRUN python apt.py && cat apt-get.txt\nCMD x",
    "FROM python\nRUN curl -o /app/model.bin https://x.example/model.bin\nCMD x",
    "FROM node AS never\nRUN apt-get install x\nFROM python\nCMD x",
    "FROM python AS base\nFROM base\nCMD x",
    "FROM python\nRUN python <<EOF\nprint('yum install x')\nEOF\nCMD x",
    "FROM python\nRUN --mount=type=cache,target=/root/.cache/pip pip install x\nCMD x",
]


@pytest.mark.parametrize("text", ACCEPTED)
def test_what_can_be_honoured_is_accepted(text: str) -> None:
    check(read(text))
