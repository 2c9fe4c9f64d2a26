"""An application that ends by itself at its start: which of the usual reasons it was."""

from deployments.diagnosis.base import Button, Case, Diagnosis, Rule, clipped, saying
from deployments.diagnosis.codes import CRASHED

VARIABLES = Button("Open the variables", "open_variables")
OWN_WORDS = ("container_log", "detail")


def _ended(case: Case) -> Diagnosis | None:
    exit_code = case.evidence.get("exit_code")
    if exit_code == 0:
        return Diagnosis(
            rule=15,
            title="The start command ended at once",
            meaning="It did not fail (exit code 0), but a server has to keep running; this command did its work and was done, or went to the background.",
            fix="Let CMD start the server in the foreground, push, and deploy again.",
            evidence=clipped(case.last_words) or clipped(case.first_line),
            snippet='CMD ["uvicorn", "main:app", "--host", "0.0.0.0", "--port", "8000"]',
        )  # fmt: skip
    if exit_code is None and case.code != "container_exited":
        return None
    return Diagnosis(
        rule=15,
        title="The application crashes at its start",
        meaning=f"Its start command ended with exit code {exit_code}." if exit_code is not None
        else "It ended each time it was started.",
        fix="The line above is its last; the ones before it are in the dossier. Correct it, push, and deploy again.",
        evidence=clipped(case.last_words) or clipped(case.first_line),
    )  # fmt: skip


RULES: tuple[Rule, ...] = (
    saying(
        15, CRASHED, r"ModuleNotFoundError: No module named '(?P<module>[^']+)'",
        title="The Python module {module} is missing in the image",
        meaning="The application imports it, but it was not installed by the Dockerfile, or the file is not copied into the image.",
        fix="Add the package that holds {module} to the requirements (or the file to COPY), push, and deploy again.",
        places=OWN_WORDS,
    ),
    saying(
        15, CRASHED, r"exec: \\?\"(?P<program>[^\"\\]+)\\?\":.*(?:not found|no such file)|exec (?P<file>/\S+): no such file or directory",
        title="The start command is not in the image",
        meaning="The engine cannot find {program}{file}: it is not installed, not on the PATH, or its first line names an interpreter that is missing.",
        fix="Correct CMD or ENTRYPOINT, or install the program in the Dockerfile; push, and deploy again.",
        places=OWN_WORDS,
    ),
    saying(
        15, CRASHED, r"exec: \\?\"(?P<program>[^\"\\]+)\\?\": permission denied",
        title="The start command may not be run",
        meaning="{program} is in the image, but not executable.",
        fix="Make it executable with the line below, push, and deploy again.",
        snippet="RUN chmod +x {program}", places=OWN_WORDS,
    ),
    saying(
        15, CRASHED, r"^KeyError: '(?P<variable>[A-Z][A-Z0-9_]+)'$|\b(?!(?:ERROR|WARNING|CRITICAL|FATAL|INFO|DEBUG)\b)(?P<named>[A-Z][A-Z0-9_]{3,})'?\"? (?:(?:is |was )?not set|must be set|is (?:required|missing))\b|(?:[Mm]issing|[Rr]equired) environment variable:? '?(?P<asked>[A-Z][A-Z0-9_]{2,})",
        title="The variable {variable}{named}{asked} is missing",
        meaning="The application reads it at its start and ends without it.",
        fix="Set it in the variables of the environment, then retry.",
        button=VARIABLES, places=OWN_WORDS,
    ),
    saying(
        15, CRASHED, r"can't open file '(?P<script>[^']+)'|Cannot find module '(?P<module>[^']+)'|No such file or directory: '(?P<path>[^']+)'",
        title="The file {script}{module}{path} is missing in the image",
        meaning="The application needs it at its start, and it was not copied into the image.",
        fix="See COPY in the Dockerfile, .dockerignore, and that the file is committed (large files by Git LFS); push, and deploy again.",
        places=OWN_WORDS,
    ),
    saying(
        15, CRASHED, r"^(?P<kind>SyntaxError|IndentationError|TabError): .+",
        title="The application's code cannot be read",
        meaning="Python stopped at a {kind} before anything ran; it may be written for another Python version.",
        fix="Correct the file that the log names, or change the Python version in FROM; push, and deploy again.",
        places=OWN_WORDS,
    ),
    Rule(15, frozenset(CRASHED), _ended),
)  # fmt: skip
