"""The second half of a build: as the application's user, confined to the image's folder."""

from __future__ import annotations

import ctypes
import errno
import json
import os
import signal
import sys
from pathlib import Path
from typing import Any

from deployments.pipeline.dockerfile import DockerfileError, read
from deployments.pipeline.runtimes.process_build import confine, environment
from deployments.pipeline.runtimes.process_build.cannot import CannotHonour
from deployments.pipeline.runtimes.process_build.copying import CopyError
from deployments.pipeline.runtimes.process_build.describe import describe
from deployments.pipeline.runtimes.process_build.identity import die_with_parent
from deployments.pipeline.runtimes.process_build.ignore import Ignore
from deployments.pipeline.runtimes.process_build.images import delete
from deployments.pipeline.runtimes.process_build.interpreters import Interpreter
from deployments.pipeline.runtimes.process_build.outcome import (
    CANNOT,
    COMMAND_FAILED,
    DISK_FULL,
    FAILED,
    INVALID,
    fail,
)
from deployments.pipeline.runtimes.process_build.paths import EscapeError
from deployments.pipeline.runtimes.process_build.runs import RunFailed
from deployments.pipeline.runtimes.process_build.stages import StageBuilder, say

SET_CHILD_SUBREAPER = 36


def main(result_descriptor: str) -> int:
    """Read the order from standard input, build, and write the description to this descriptor."""
    die_with_parent(signal.SIGKILL)
    order = json.loads(sys.stdin.read())
    os.umask(0o022)
    # What a command leaves running becomes our child, so that it can be found and ended.
    ctypes.CDLL(None).prctl(SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    if not confine.confine(writable=order["writable"], readable=order["readable"]):
        say(
            "[portal] This kernel cannot confine programs (no Landlock); only the rights of the user hold them."
        )
    try:
        description = _build(order)
    except CannotHonour as error:
        return fail(CANNOT, str(error))
    except DockerfileError as error:
        return fail(INVALID, str(error))
    except RunFailed as error:
        return fail(COMMAND_FAILED, str(error))
    except (CopyError, EscapeError) as error:
        return fail(FAILED, str(error))
    except OSError as error:
        code = DISK_FULL if error.errno in (errno.ENOSPC, errno.EDQUOT) else FAILED
        return fail(code, f"{error.strerror or error}: {error.filename or ''}")
    with os.fdopen(int(result_descriptor), "w") as result:
        json.dump(description, result)
    return 0


def _build(order: dict[str, Any]) -> dict[str, Any]:
    file = read(order["dockerfile"], build_args=order["build_args"])
    found = order["interpreter"]
    interpreter = Interpreter(found["path"], tuple(found["version"]), found["prefix"], tuple(found["wheels"]))
    builder = StageBuilder(
        file,
        folder=order["folder"],
        context=order["context"],
        ignore=Ignore(order["ignore"]),
        interpreter=interpreter,
        pip_wheels=tuple(order["pip_wheels"]),
        given=order["given"],
    )
    tree = builder.build()
    environment.finish(tree.root, order["port_map"])
    for leftover in Path(order["folder"]).iterdir():
        if leftover.name != "root":
            delete(str(leftover))
    return describe(file, tree, python=interpreter.minor)
