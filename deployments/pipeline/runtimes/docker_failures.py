"""Why a build or a start failed, read from what the client and its two builders print."""

import re
from dataclasses import dataclass

from deployments.pipeline.progress import StepFailed

LAST_LINES = 10
LINE_LENGTH = 300

ANSI = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
# The classic builder, BuildKit of 20.10, and BuildKit since.
COMMAND_FAILED = re.compile(
    r"(?:^The command '.*' returned a non-zero code"
    r'|process ".*" did not complete successfully: exit code'
    r"|executor failed running \[.*\]: exit code): (\d+)",
    re.MULTILINE,
)
CLASSIC_STEP = re.compile(r"^Step \d+/\d+ : (.*)$", re.MULTILINE)
BUILDKIT_STEP = re.compile(r"^ > \[(?!internal\])[^\]]+\] (.*?):?$", re.MULTILINE)
BUILDKIT_LINE = re.compile(r"^ *(\d+) \| >>> ", re.MULTILINE)
BUILDKIT_OUTPUT = re.compile(r"^#(\d+) \d+\.\d+ (.*)$", re.MULTILINE)
BUILDKIT_ERROR = re.compile(r"^#(\d+) ERROR", re.MULTILINE)
NOT_ITS_WORDS = re.compile(
    r"#\d+ |Step \d+/\d+ :|Sending build context| ?---> "
    r"|DEPRECATED:| *(Install the buildx|BuildKit is currently disabled|environment-variable|https://docs\.docker)"
)
SYNTAX_LINE = re.compile(r"\bline (\d+)")

# First match wins. Only looked for in the client's own last words, never in what a command printed.
BUILD_TROUBLE = {
    "disk_full": ["no space left on device", "disk quota exceeded", "not enough free space"],
    "pull_rate_limited": ["toomanyrequests", "pull rate limit", "429 too many requests"],
    "engine_gone": [
        "cannot connect to the docker daemon", "error during connect", "unexpected eof",
        "transport is closing", "code = unavailable", "connection reset by peer", "server has gone away",
    ],
    "dockerfile_missing": [
        "cannot locate specified dockerfile", "failed to read dockerfile",
        "unable to evaluate symlinks in dockerfile", "outside of the checkout",
    ],
    "dockerfile_syntax": [
        "parse error", "unknown instruction", "failed to parse dockerfile", "cannot be empty",
        "no build stage in current context", "file with no instructions", "unknown flag",
        "failed to parse stage name", "invalid reference format", "syntax error",
        "requires (exactly|at least) one argument",
    ],
    "build_failed": ["^(copy|add) failed", "failed to compute cache key", "failed to calculate checksum"],
    "base_image_missing": [
        "pull access denied", "manifest (for .* not found|unknown)", "repository does not exist",
        ": not found$", "no such host", "no matching manifest", "failed to resolve source metadata",
        "insufficient_scope", "no such image", "/v2/",
    ],
}  # fmt: skip

RUN_TROUBLE = {
    "image_gone": ["no such image", "unable to find image"],
    "private_port_taken": ["port is already allocated", "address already in use"],
    "disk_full": BUILD_TROUBLE["disk_full"],
    "container_exited": [
        "executable file not found", "exec format error", "permission denied",
        "no such file or directory", "not a directory", "no command specified",
    ],
}  # fmt: skip


@dataclass(frozen=True)
class Place:
    """The instruction that failed and its line, as far as they are known."""

    instruction: str = ""
    line: int | None = None

    def __str__(self) -> str:
        return f"Line {self.line}: {self.instruction}" if self.line else self.instruction


def build_failure(output: str, *, dockerfile: str, exit_code: int | None) -> StepFailed:
    """Say why a build failed. `output` is the end of what it printed, `dockerfile` the file's text."""
    text = ANSI.sub("", output).replace("\r", "\n")
    failed = COMMAND_FAILED.findall(text)
    if failed:
        return _command_failure(text, dockerfile, int(failed[-1]))
    words = _last_words(text)
    code = _match(BUILD_TROUBLE, words) or "build_failed"
    if code == "dockerfile_syntax":
        line = SYNTAX_LINE.search(words)
        return StepFailed(code, words, exit_code=exit_code, line=int(line[1]) if line else None)
    if code == "build_failed":
        place = _place(text, dockerfile)
        detail = f"{place}\n{words}" if place.instruction else words
        return StepFailed(code, detail, exit_code=exit_code, line=place.line, instruction=place.instruction)
    return StepFailed(code, words, exit_code=exit_code)


def pull_failure(output: str) -> StepFailed:
    """Say why an image could not be fetched."""
    words = _last_words(output)
    code = _match(BUILD_TROUBLE, words)
    known = ("disk_full", "pull_rate_limited", "engine_gone")
    return StepFailed(code if code in known else "pull_failed", words)


def run_failure(error: str) -> StepFailed:
    """Say why a container could not be started."""
    words = _last_words(error.replace("See 'docker run --help'.", ""))
    return StepFailed(_match(RUN_TROUBLE, words) or "command_failed", words)


def _command_failure(text: str, dockerfile: str, exit_code: int) -> StepFailed:
    place = _place(text, dockerfile)
    lines = _command_output(text)
    full = any(word in "\n".join(lines).lower() for word in BUILD_TROUBLE["disk_full"])
    end = f"It ended with exit code {exit_code}."
    if exit_code == 137:
        end = "It was killed (exit code 137); usually there was too little memory."
    return StepFailed(
        "disk_full" if full else "build_command_failed",
        "\n".join([str(place), end, *lines]),
        exit_code=exit_code, instruction=place.instruction, line=place.line, last_lines=lines,
    )  # fmt: skip


def _place(text: str, dockerfile: str) -> Place:
    steps = BUILDKIT_STEP.findall(text) or CLASSIC_STEP.findall(text)
    instruction = steps[-1].strip() if steps else ""
    line = BUILDKIT_LINE.search(text)
    return Place(instruction, int(line[1]) if line else find_line(dockerfile, instruction))


def _command_output(text: str) -> list[str]:
    """The last lines that the failing command itself printed."""
    error = BUILDKIT_ERROR.search(text)
    if error:
        lines = [line for number, line in BUILDKIT_OUTPUT.findall(text) if number == error[1]]
    else:
        lines = text.rpartition(" ---> Running in ")[2].partition("\nThe command '")[0].splitlines()[1:]
        lines = [line for line in lines if not line.startswith("Removing intermediate container ")]
    return [line[:LINE_LENGTH] for line in lines if line.strip()][-LAST_LINES:]


def _last_words(text: str) -> str:
    """The client's own last lines, without what commands printed under BuildKit's numbers."""
    lines = [line.strip() for line in text.splitlines() if line.strip() and not NOT_ITS_WORDS.match(line)]
    errors = [line for line in lines if re.match(r"(ERROR|error|Error|failed|docker):?\b", line)]
    return "\n".join(line[:LINE_LENGTH] for line in (errors or lines)[-3:])


def _match(table: dict[str, list[str]], text: str) -> str:
    for code, patterns in table.items():
        if re.search("|".join(patterns), text, re.IGNORECASE | re.MULTILINE):
            return code
    return ""


def find_line(dockerfile: str, instruction: str) -> int | None:
    """The line where an instruction begins; the builders print it joined, with other spaces."""
    wanted = _bare(instruction)
    if not wanted:
        return None
    first, joined = 0, ""
    for number, line in enumerate(dockerfile.splitlines(), start=1):
        if line.lstrip().startswith("#") or (joined and not line.strip()):
            continue
        first = first if joined else number
        joined += line.rstrip().removesuffix("\\")
        if line.rstrip().endswith("\\"):
            continue
        if _bare(joined) == wanted:
            return first
        joined = ""
    return None


def _bare(text: str) -> str:
    return "".join(text.split())
