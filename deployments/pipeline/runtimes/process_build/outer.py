"""The first half of a build: chooses Python and user, hands over, and writes the pointer at the end."""

from __future__ import annotations

import dataclasses
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from deployments.pipeline.dockerfile import DockerfileError, read
from deployments.pipeline.runtimes.process_build import bases, confine, identity
from deployments.pipeline.runtimes.process_build.cannot import CannotHonour
from deployments.pipeline.runtimes.process_build.check import check
from deployments.pipeline.runtimes.process_build.ignore import Ignore
from deployments.pipeline.runtimes.process_build.images import Images, delete
from deployments.pipeline.runtimes.process_build.interpreters import Choice, NoInterpreter, choose, probe
from deployments.pipeline.runtimes.process_build.outcome import CANNOT, FAILED, INVALID, fail
from deployments.pipeline.runtimes.process_build.stages import say

RESULT_LIMIT = 32 << 20
LONGEST_BUILD_SECONDS = 12 * 3600


def main(order_file: str, program: str) -> int:
    """Build the image that the order describes, unless another build has made it meanwhile."""
    order = json.loads(Path(order_file).read_text())
    # It may hold credentials of the package index.
    Path(order_file).unlink(missing_ok=True)
    images = Images(order["root"])
    with images.lock(order["image"], waiting="Another build of this image is under way; waiting for it."):
        if not order["no_cache"] and images.find(order["image"]):
            say("The image is there already.")
            return 0
        images.sweep(order["image"])
        try:
            return _build(order, images, program)
        except CannotHonour as error:
            return fail(CANNOT, str(error))
        except DockerfileError as error:
            return fail(INVALID, str(error))
        except (NoInterpreter, OSError, ValueError) as error:
            return fail(FAILED, str(error))


def _build(order: dict[str, Any], images: Images, program: str) -> int:
    checkout = Path(order["checkout"])
    text = _dockerfile(checkout, order["dockerfile"])
    file = read(text, build_args=order["build_args"])
    check(file)
    base = bases.python_version(file.base_image, line=file.final_stage.line)
    uid = _own_user(order, program)
    choice = choose(base, own=order["python"], uid=uid)
    for warning in choice.warnings:
        say(f"[portal] WARNING: {warning}")
    say(f"Building {order['image']} with Python {choice.interpreter.minor} ({choice.interpreter.path}).")
    folder = images.new_folder(order["image"])
    made = False
    try:
        code, description = _hand_over(order, checkout, text, folder, choice, program)
        if code == 0 and description is not None:
            kept = {
                "image": order["image"],
                "folder": str(folder),
                "uid": choice.uid,
                "prefix": choice.interpreter.prefix,
            }
            images.publish(order["image"], {**description, **kept, "labels": order["labels"]})
            say(f"Built {order['image']}: {description['digest'][:19]}, {description['size'] / 1e6:.0f} MB.")
            made = True
        return code
    finally:
        if not made:
            delete(str(folder))


def _own_user(order: dict[str, Any], program: str) -> int | None:
    """The application's own user, where we are root and that user can reach what it needs."""
    if os.geteuid() != 0:
        return None
    uid = identity.uid_for(order["image"])
    if all(identity.reaches(uid, path) for path in (program, f"{order['root']}/images/any")):
        return uid
    say(
        "[portal] WARNING: the portal's folder is closed to other users, so the application is built and run as "
        f"the portal's user. Keep the portal's data in a folder that others may pass through (now: {order['root']})."
    )
    return None


def _dockerfile(checkout: Path, name: str) -> str:
    path = checkout / name
    real = os.path.realpath(path)
    if not real.startswith(os.path.realpath(checkout) + "/"):
        raise DockerfileError(1, f"{name} leads out of the repository.")
    try:
        return Path(real).read_bytes()[: 2 << 20].decode(errors="replace")
    except OSError as error:
        raise DockerfileError(1, f"{name}: {error.strerror}.") from error


def _hand_over(
    order: dict[str, Any], checkout: Path, text: str, folder: Path, choice: Choice, program: str
) -> tuple[int, dict[str, Any] | None]:
    """Run the second half as the application's user; returns its exit code and what it found out."""
    ignore = _ignore_text(checkout, order["dockerfile"])
    context = str(checkout)
    if choice.uid is not None:
        # The checkout belongs to the portal; the application's user gets a copy of what it may see.
        context = str(folder / "context")
        shutil.copytree(checkout, context, symlinks=True, ignore=_leaving_out(Ignore(ignore), str(checkout)))
    cache = Path(order["root"]) / "cache" / "pip" / str(choice.uid or "own")
    cache.mkdir(mode=0o755, parents=True, exist_ok=True)
    if cache.stat().st_uid != (choice.uid if choice.uid is not None else os.geteuid()):
        identity.give(str(cache), choice.uid)
    identity.give(str(folder), choice.uid)
    prefixes = {
        choice.interpreter.prefix,
        choice.tool.prefix,
        *map(os.path.dirname, choice.interpreter.wheels),
    }
    own = probe(order["python"], None)
    inner = {
        **{key: order[key] for key in ("build_args", "port_map")},
        "dockerfile": text,
        "ignore": ignore,
        "folder": str(folder),
        "context": context,
        "interpreter": dataclasses.asdict(choice.interpreter),
        "pip_wheels": list(choice.tool.wheels or (own.wheels if own else ())),
        "given": {**order["given"], "PIP_CACHE_DIR": str(cache), "UV_CACHE_DIR": f"{cache}/uv"},
        "writable": [str(folder), str(cache)],
        "readable": [*confine.all_but(order["private"]), context, os.path.dirname(program), *prefixes],
    }
    return _run_inner(inner, choice, program)


def _run_inner(inner: dict[str, Any], choice: Choice, program: str) -> tuple[int, dict[str, Any] | None]:
    # A file without a name, not a pipe: nobody reads while the other side writes.
    with tempfile.TemporaryFile() as result:
        process = subprocess.Popen(
            [choice.tool.path, "-I", "-u", program, "inner", str(result.fileno())],
            stdin=subprocess.PIPE, preexec_fn=identity.becoming(choice.uid), pass_fds=(result.fileno(),),
            env={"PATH": os.environ.get("PATH", ""), "LANG": "C.UTF-8"}, cwd="/",
        )  # fmt: skip
        process.communicate(json.dumps(inner).encode(), timeout=LONGEST_BUILD_SECONDS)
        result.seek(0)
        answer = result.read(RESULT_LIMIT)
    if process.returncode != 0:
        return process.returncode if process.returncode > 0 else 128 - process.returncode, None
    return 0, _checked(json.loads(answer))


def _checked(description: dict[str, Any]) -> dict[str, Any]:
    """It was written as the application's user: take only what has the right shape."""
    kinds = {
        "env": dict, "workdir": str, "user": str, "shell": list, "exposed": list, "python": str, "claimed": list,
        "digest": str, "size": int,
    }  # fmt: skip
    for key, kind in kinds.items():
        if not isinstance(description.get(key), kind):
            sys.exit(fail(FAILED, f"The build described its image wrongly ({key})."))
    return {key: description.get(key) for key in (*kinds, "entrypoint", "command")}


def _ignore_text(checkout: Path, dockerfile: str) -> str:
    for path in (checkout / f"{dockerfile}.dockerignore", checkout / ".dockerignore"):
        if path.is_file() and not path.is_symlink():
            return path.read_bytes()[: 1 << 20].decode(errors="replace")
    return ""


def _leaving_out(ignore: Ignore, top: str) -> Callable[[str, list[str]], set[str]]:
    def leave_out(folder: str, names: list[str]) -> set[str]:
        inner = os.path.relpath(folder, top)
        prefix = "" if inner == "." else inner + "/"
        return {
            name
            for name in names
            if ignore.excludes(prefix + name)
            and not (ignore.has_exceptions and os.path.isdir(f"{folder}/{name}"))
        }

    return leave_out
