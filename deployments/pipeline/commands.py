"""The docker client's argument lists. Every value is one argument, whatever it holds."""

import re
import shlex
from collections.abc import Iterable, Mapping

from deployments.pipeline.runtimes.base import BuildSpec, RunSpec

# Stamps of ours: what an image was built from, and what a container was started with.
BUILD_LABEL = "portal.build"
RUN_LABEL = "portal.run"

PROCESS_LIMIT = 512

# The client puts names into the path of its request as they are, so `../images/x` would lead elsewhere.
CONTAINER_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{1,127}")
IMAGE_NAME = re.compile(r"(?!.*\.\.)[A-Za-z0-9][A-Za-z0-9_./:@-]{0,511}")

# The variables come by standard input: first as many bytes of shell assignments as $1 says, for
# values that have line ends; then the lines of an environment file. `cat` makes a pipe of an input
# that may be a socket (sshd), which cannot be opened as /dev/stdin.
RUN_SCRIPT = 'set -e; eval "$(head -c "$1")"; shift; cat | "$@"'

# Keeps the order in which the two streams came; the client's exit code goes to the error output.
LOGS_SCRIPT = 'limit=$1; shift; { { "$@" 2>&1; echo "$?" >&3; } | tail -c "$limit"; } 3>&2'

# The client must stay until the grace is over, or nobody kills the container.
BACKGROUND_SCRIPT = 'setsid "$@" > /dev/null 2>&1 < /dev/null &'

# One build at a time of the same image; who waited finds it made. A Dockerfile that leads out of
# the checkout by a link could show any file of the host in an error message.
BUILD_SCRIPT = """
export BUILDKIT_PROGRESS=plain BUILDX_BUILDER=default BUILDX_NO_DEFAULT_ATTESTATIONS=1
case "$(realpath -- "$dockerfile")" in
"$(realpath -- "$context")"/*) ;;
*) echo "The Dockerfile lies outside of the checkout."; exit 97 ;;
esac
mkdir -p -- "$locks"
exec 9> "$lock"
if ! flock -n 9; then
  echo "Another deployment builds this image; waiting for it."
  flock -w 3600 9
  made=$(docker image inspect --format "$format" -- "$image" 2> /dev/null)
  if [ "$made" = "$stamp" ]; then echo "The other deployment has built it."; exit 0; fi
fi
"""


def docker_build(spec: BuildSpec, *, root: str, stamp: str) -> list[str]:
    """Build an image from a checkout."""
    checkout = f"{root}/{spec.checkout}"
    context = f"{checkout}/{spec.context}" if spec.context else checkout
    return [
        "docker", "build", "--force-rm",
        *(["--no-cache"] if spec.no_cache else []),
        f"--tag={check_image(spec.image)}",
        f"--file={checkout}/{spec.dockerfile}",
        *_labels({**spec.labels, BUILD_LABEL: stamp}),
        *(f"--build-arg={name}={value}" for name, value in spec.build_args.items()),
        "--", context,
    ]  # fmt: skip


def build_script(spec: BuildSpec, *, root: str, stamp: str) -> str:
    """The job that builds: a few assignments, then always the same text, then the client."""
    context = f"{root}/{spec.checkout}"
    values = {
        "context": context,
        "dockerfile": f"{context}/{spec.dockerfile}",
        "image": spec.image,
        "stamp": stamp,
        "format": label_format(BUILD_LABEL),
        "locks": f"{root}/locks",
        "lock": f"{root}/locks/build-{stamp}",
    }
    assignments = "\n".join(f"{name}={shlex.quote(value)}" for name, value in values.items())
    return f"{assignments}\n{BUILD_SCRIPT}exec {shlex.join(docker_build(spec, root=root, stamp=stamp))}\n"


def pull_script(image: str) -> str:
    """The job that fetches an image which was made elsewhere."""
    return f"exec {shlex.join(['docker', 'pull', '--', check_image(image)])}\n"


def docker_run(spec: RunSpec, *, stamp: str, names: Iterable[str], cpu_limit: bool = True) -> list[str]:
    """Run a container on one loopback port, with the least of rights.

    It reads an environment file from standard input; `names` are variables of its own environment
    that it passes on.
    """
    return [
        "docker", "run", "--detach", "--pull=never",
        f"--name={check_container(spec.name)}",
        "--restart=unless-stopped",
        f"--publish=127.0.0.1:{spec.host_port}:{spec.container_port}",
        f"--memory={spec.memory_mb}m",
        # The same as the memory: no swap beside it.
        f"--memory-swap={spec.memory_mb}m",
        *([f"--cpus={spec.cpus}"] if cpu_limit else []),
        f"--pids-limit={PROCESS_LIMIT}",
        "--cap-drop=ALL",
        "--security-opt=no-new-privileges",
        "--init",
        "--log-driver=json-file", "--log-opt=max-size=10m", "--log-opt=max-file=5",
        *_labels({**spec.labels, RUN_LABEL: stamp}),
        "--env-file=/dev/stdin",
        *(f"--env={name}" for name in names),
        "--", check_image(spec.image),
    ]  # fmt: skip


# The variables are read before the command runs, and their files are gone by then.
ONCE_SCRIPT = """
exec 7< "$FILES/lines"
eval "$(cat -- "$FILES/assignments")"
rm -rf -- "$FILES"
docker rm --force --volumes -- "$name" > /dev/null 2>&1
"""


def once_script(spec: RunSpec, command: str, *, names: Iterable[str], mount: str = "") -> str:
    """The job that runs a command in a passing container of an image, with the least of rights."""
    argv = [
        "docker", "run", "--rm", "--pull=never", f"--name={check_container(spec.name)}",
        f"--memory={spec.memory_mb}m", f"--memory-swap={spec.memory_mb}m", f"--pids-limit={PROCESS_LIMIT}",
        "--cap-drop=ALL", "--security-opt=no-new-privileges", "--init",
        *_labels(spec.labels),
        "--env-file=/dev/fd/7", *(f"--env={name}" for name in names),
        *([f"--volume={mount}:/src", "--workdir=/src"] if mount else []),
        "--entrypoint=sh", "--", check_image(spec.image), "-c", command,
    ]  # fmt: skip
    return f"name={shlex.quote(spec.name)}\n{ONCE_SCRIPT}exec {shlex.join(argv)}\n"


def with_environment(argv: list[str], *, assignments: bytes) -> list[str]:
    """Run the command with the variables that come by standard input."""
    return ["sh", "-c", RUN_SCRIPT, "sh", str(len(assignments)), *argv]


def docker_logs(name: str, *, tail: int, limit_bytes: int) -> list[str]:
    """The last lines of a container, both streams as they came."""
    argv = ["docker", "logs", f"--tail={tail}", "--", check_container(name)]
    return ["sh", "-c", LOGS_SCRIPT, "sh", str(limit_bytes), *argv]


def docker_stop(name: str, *, grace: int) -> list[str]:
    """Ask a container to end, in the background."""
    argv = ["docker", "stop", f"--time={grace}", "--", check_container(name)]
    return ["sh", "-c", BACKGROUND_SCRIPT, "sh", *argv]


def docker_start(name: str) -> list[str]:
    """Start a container that was stopped."""
    return ["docker", "start", "--", check_container(name)]


def docker_remove(name: str) -> list[str]:
    """Remove a container, running or not, with the volumes that are only its own."""
    return ["docker", "rm", "--force", "--volumes", "--", check_container(name)]


def inspect_containers(*names: str) -> list[str]:
    """Everything about containers, by name or id."""
    return ["docker", "container", "inspect", "--", *map(check_container, names)]


def inspect_image(image: str) -> list[str]:
    """Everything about an image."""
    return ["docker", "image", "inspect", "--", check_image(image)]


def remove_image(image: str) -> list[str]:
    """Remove an image that no container needs."""
    return ["docker", "image", "rm", "--", check_image(image)]


def docker_list(labels: Mapping[str, str]) -> list[str]:
    """The ids of all containers of ours with these labels."""
    filters = [RUN_LABEL, *(f"{name}={value}" for name, value in labels.items())]
    return ["docker", "ps", "--all", "--quiet", "--no-trunc", *(f"--filter=label={f}" for f in filters)]


def check_container(name: str) -> str:
    """Return a container's name or id; refuse any other text."""
    if not CONTAINER_NAME.fullmatch(name):
        raise ValueError(f"{name!r} cannot name a container.")
    return name


def check_image(image: str) -> str:
    """Return an image's name; refuse any other text."""
    if not IMAGE_NAME.fullmatch(image):
        raise ValueError(f"{image!r} cannot name an image.")
    return image


def label_format(label: str) -> str:
    """The template that prints one label of an image."""
    return '{{index .Config.Labels "' + label + '"}}'


def _labels(labels: Mapping[str, str]) -> list[str]:
    return [f"--label={name}={value}" for name, value in labels.items()]
