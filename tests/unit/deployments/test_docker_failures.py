"""Failed builds and starts, as the classic builder, BuildKit of 20.10 and BuildKit since print them."""

import pytest

from deployments.pipeline.runtimes.docker_failures import build_failure, find_line, run_failure

CLASSIC_RUN = """Sending build context to Docker daemon  4.096kB\r\r
Step 1/6 : FROM python:3.11-slim
 ---> 0915a332debf
Step 2/6 : RUN echo "The command 'x' is not found: no such host"
 ---> Running in 98d2930ad673
The words no such host
Removing intermediate container 98d2930ad673
 ---> 9b59b6d27498
Step 3/6 : RUN echo before && ls /no-such-directory && echo after
 ---> Running in 24030a34c840
before
\x1b[91mls: cannot access '/no-such-directory': No such file or directory
\x1b[0mRemoving intermediate container 24030a34c840
The command '/bin/sh -c echo before && ls /no-such-directory && echo after' returned a non-zero code: 2
"""
BUILDKIT_2010_RUN = """#6 [3/4] RUN echo before && ls /no-such-directory && echo after
#6 sha256:1bc44d4d1fae98e57503223c2aadd6711ddb9f626074f3b6829bf41de1eba65a
#6 0.114 before
#6 0.115 ls: cannot access '/no-such-directory': No such file or directory
#6 ERROR: executor failed running [/bin/sh -c echo before && ls /no-such-directory && echo after]: exit code: 2
------
 > [3/4] RUN echo before && ls /no-such-directory && echo after:
------
executor failed running [/bin/sh -c echo before && ls /no-such-directory && echo after]: exit code: 2
"""
BUILDKIT_RUN = """#7 [3/4] RUN echo before && ls /no-such-directory && echo after
#7 0.114 before
#7 0.115 ls: cannot access '/no-such-directory': No such file or directory
#7 ERROR: process "/bin/sh -c echo before && ls /no-such-directory && echo after" did not complete successfully: exit code: 2
------
 > [3/4] RUN echo before && ls /no-such-directory && echo after:
0.114 before
0.115 ls: cannot access '/no-such-directory': No such file or directory
------
Dockerfile:4
--------------------
   2 |     WORKDIR /app
   3 |     # first
   4 | >>> RUN echo before && \\
   5 | >>>     ls /no-such-directory && echo after
   6 |     COPY . .
--------------------
ERROR: failed to solve: process "/bin/sh -c echo before && ls /no-such-directory && echo after" did not complete successfully: exit code: 2
"""
DOCKERFILE = """FROM python:3.11-slim
WORKDIR /app
# first
RUN echo before && \\
    # between
    ls /no-such-directory && echo after
COPY . .
"""


@pytest.mark.parametrize("output", [CLASSIC_RUN, BUILDKIT_2010_RUN, BUILDKIT_RUN])
def test_a_failed_command_is_named_with_its_line_its_exit_code_and_its_last_words(output: str) -> None:
    failure = build_failure(output, dockerfile=DOCKERFILE, exit_code=1)

    assert failure.code == "build_command_failed"
    assert failure.detail.splitlines() == [
        "Line 4: RUN echo before && ls /no-such-directory && echo after",
        "It ended with exit code 2.",
        "before",
        "ls: cannot access '/no-such-directory': No such file or directory",
    ]
    assert failure.evidence["line"] == 4


@pytest.mark.parametrize(
    ("code", "output"),
    [
        ("dockerfile_syntax", "Error response from daemon: dockerfile parse error line 1: unknown instruction: FRUM"),
        ("dockerfile_syntax", ("failed to solve with frontend dockerfile.v0: failed to create LLB definition: "
                              "dockerfile parse error line 1: unknown instruction: FRUM")),
        ("dockerfile_syntax", ("Dockerfile:1\n----\n   1 | >>> FRUM python\n----\nERROR: failed to solve: "
                              "dockerfile parse error on line 1: unknown instruction: FRUM")),
        ("dockerfile_syntax", "Error response from daemon: the Dockerfile (Dockerfile) cannot be empty"),
        ("base_image_missing", ("Step 1/3 : FROM nothing:9.9\npull access denied for nothing, repository does not "
                               "exist or may require 'docker login': denied: requested access to the resource is denied")),
        ("base_image_missing", "manifest for python:9.9 not found: manifest unknown: manifest unknown"),
        ("base_image_missing", ('Step 1/3 : FROM a:1\nGet "https://registry-1.docker.io/v2/": dial tcp: lookup '
                               "registry-1.docker.io on 10.0.0.1:53: no such host")),
        ("base_image_missing", ("#3 ERROR: docker.io/library/python:9.9: not found\n------\n > [internal] load metadata:\n"
                               "------\nERROR: failed to solve: python:9.9: docker.io/library/python:9.9: not found")),
        ("pull_rate_limited", ("Step 1/3 : FROM python:3.11\ntoomanyrequests: You have reached your pull rate limit. "
                              "You may increase the limit by authenticating and upgrading")),
        ("pull_rate_limited", ("ERROR: failed to solve: python:3.11: failed to resolve source metadata for "
                              "docker.io/library/python:3.11: unexpected status: 429 Too Many Requests")),
        ("disk_full", "Step 4/4 : COPY . .\nError processing tar file(exit status 1): write /big: no space left on device"),
        ("disk_full", ("Step 2/2 : RUN pip install torch\n ---> Running in abcdef012345\n"
                      "ERROR: Could not install packages due to an OSError: [Errno 28] No space left on device\n"
                      "The command '/bin/sh -c pip install torch' returned a non-zero code: 1")),
        ("engine_gone", "Cannot connect to the Docker daemon at unix:///var/run/docker.sock. Is the docker daemon running?"),
        ("engine_gone", "Step 3/5 : RUN sleep 60\n ---> Running in 24030a34c840\nunexpected EOF"),
        ("engine_gone", "ERROR: failed to receive status: rpc error: code = Unavailable desc = error reading from server: EOF"),
        ("dockerfile_missing", ("unable to prepare context: unable to evaluate symlinks in Dockerfile path: lstat "
                               "/srv/Dockerfile: no such file or directory")),
        ("dockerfile_missing", "ERROR: failed to solve: failed to read dockerfile: open Dockerfile: no such file or directory"),
        ("build_failed", ("Step 2/2 : COPY nofile /x\nCOPY failed: file not found in build context or excluded by "
                         ".dockerignore: stat nofile: file does not exist")),
        ("build_failed", (' > [2/2] COPY nofile /x:\n------\nERROR: failed to solve: failed to compute cache key: "/nofile" '
                         "not found: not found")),
        ("build_failed", "ERROR: BuildKit is enabled but the buildx component is missing or broken."),
        ("build_failed", ""),
    ],
)  # fmt: skip
def test_what_the_builder_says_becomes_a_code(code: str, output: str) -> None:
    assert build_failure(output, dockerfile="", exit_code=1).code == code


def test_words_that_a_command_printed_are_not_taken_for_the_engines() -> None:
    output = CLASSIC_RUN.replace("before\n", "toomanyrequests: Cannot connect to the Docker daemon\n")

    assert build_failure(output, dockerfile="", exit_code=1).code == "build_command_failed"


def test_the_clients_chatter_is_not_the_reason() -> None:
    output = (
        "DEPRECATED: The legacy builder is deprecated and will be removed in a future release.\n"
        "            Install the buildx component to build images with BuildKit:\n"
        "            https://docs.docker.com/go/buildx/\n\n"
        "Sending build context to Docker daemon  2.048kB\nStep 1/2 : RUN sleep 60\n ---> Running in 1f\nunexpected EOF\n"
    )

    assert build_failure(output, dockerfile="", exit_code=1).detail == "unexpected EOF"


def test_a_command_that_was_killed_hints_at_memory() -> None:
    failure = build_failure(CLASSIC_RUN.replace("code: 2", "code: 137"), dockerfile="", exit_code=1)

    assert "too little memory" in failure.detail


def test_a_copy_that_failed_is_named_with_its_line() -> None:
    output = "Step 2/2 : COPY nofile   /x\nCOPY failed: file not found: stat nofile: file does not exist\n"

    failure = build_failure(output, dockerfile="FROM python\nCOPY nofile \\\n # c\n  /x\n", exit_code=1)

    assert failure.detail.startswith("Line 2: COPY nofile   /x\nCOPY failed")


def test_the_line_of_a_syntax_error_is_kept() -> None:
    text = "Error response from daemon: dockerfile parse error line 12: unknown instruction: FRUM"

    assert build_failure(text, dockerfile="", exit_code=1).evidence["line"] == 12


@pytest.mark.parametrize(("dockerfile", "line"), [("", None), ("RUN a", None), ("# RUN b\n\nRUN  b", 3)])
def test_a_line_is_found_or_not_claimed(dockerfile: str, line: int | None) -> None:
    assert find_line(dockerfile, "RUN b") == line


@pytest.mark.parametrize(
    ("code", "error"),
    [
        ("image_gone", "docker: Error response from daemon: No such image: app:1."),
        ("private_port_taken", ("docker: Error response from daemon: driver failed programming external connectivity on "
                               "endpoint x: Bind for 127.0.0.1:21000 failed: port is already allocated.")),
        ("private_port_taken", ("docker: Error response from daemon: driver failed programming external connectivity: "
                               "Error starting userland proxy: listen tcp4 127.0.0.1:1: bind: address already in use.")),
        ("container_exited", ("docker: Error response from daemon: OCI runtime create failed: exec: \"nothing\": "
                             "executable file not found in $PATH: unknown.")),
        ("container_exited", "docker: Error response from daemon: No command specified.\nSee 'docker run --help'."),
        ("disk_full", "docker: Error response from daemon: mkdir /var/lib/docker/x: no space left on device."),
        ("command_failed", "docker: Error response from daemon: something new."),
    ],
)  # fmt: skip
def test_what_the_engine_says_to_a_start_becomes_a_code(code: str, error: str) -> None:
    assert run_failure(error).code == code
