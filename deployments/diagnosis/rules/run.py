"""An application that is running or being started, and cannot be reached."""

from deployments.diagnosis.base import Button, Case, Diagnosis, Rule, clipped, saying
from deployments.diagnosis.codes import CRASHED, RUN, SILENT

# 128 and the number of SIGKILL.
KILLED_CODE = 137
LOOPBACK = ("127.", "::1")
KILLED = r"Out of memory: Killed process \d+ \((?P<program>[^)]*)\)|Memory cgroup out of memory|oom-kill"
HEALTH_CHECK = r"(?P<tool>curl|wget): (?:command )?not found|exec: \\?\"(?P<program>curl|wget)\\?\": executable file not found"


def _out_of_memory(case: Case) -> Diagnosis | None:
    flagged = bool(case.evidence.get("out_of_memory"))
    kernel = case.search(KILLED, ("kernel", "container_log"))
    killed = case.evidence.get("exit_code") == KILLED_CODE and case.code in CRASHED
    if not (flagged or killed or case.code == "out_of_memory"):
        return None
    sure = flagged or kernel is not None or case.code == "out_of_memory"
    limit = case.facts.get("memory_mb")
    of = f" of {limit} MB" if limit else ""
    more = int(limit) * 2 if limit else None
    return Diagnosis(
        rule=16,
        title="The application ran out of memory" if sure else "The application was killed, most likely for its memory",
        meaning=f"It needed more than its limit{of} and was killed." if sure
        else f"It ended with exit code 137: something killed it, nearly always because it needed more than its limit{of}.",
        fix=f"Raise the limit, e.g. to {more} MB, and retry; or let it load less (a smaller model, fewer workers)." if more
        else "Raise the limit and retry; or let it load less (a smaller model, fewer workers).",
        evidence=clipped(kernel.string) if kernel else _flag(case),
        button=Button(f"Raise the limit to {more} MB" if more else "Raise the limit", "raise_memory", {"memory_mb": more} if more else {}),
    )  # fmt: skip


def _flag(case: Case) -> str:
    return "OOMKilled: true" if case.evidence.get("out_of_memory") else clipped(case.first_line)


def _is_loopback(address: str) -> bool:
    return address.startswith(LOOPBACK)


def _port(case: Case) -> int | None:
    port = case.evidence.get("container_port") or case.facts.get("container_port")
    return int(port) if port else None


def _loopback(case: Case) -> Diagnosis | None:
    port = _port(case)
    found = [(address, at) for address, at in case.listening if at == port]
    if not found or not all(_is_loopback(address) for address, _ in found) or _is_process(case):
        return None
    address = found[0][0]
    return Diagnosis(
        rule=17,
        title=f"The application listens on {address}:{port}, must be 0.0.0.0:{port}",
        meaning=f"Inside its container {address} reaches only the container itself, so nothing from outside gets in.",
        fix="Change the address in its start command, e.g. as below; push, and deploy again.",
        evidence=f"LISTEN {address}:{port} (inside the container, asked on port {port})",
        snippet=f"uvicorn main:app --host 0.0.0.0 --port {port}\ngunicorn --bind 0.0.0.0:{port} app:app\nflask run --host 0.0.0.0 --port {port}",
    )  # fmt: skip


def _is_process(case: Case) -> bool:
    """A process shares the machine's own loopback, which is where it is asked."""
    return case.facts.get("runtime") == "process"


def _wrong_port(case: Case) -> Diagnosis | None:
    asked = _port(case)
    if not case.listening or asked is None or any(port == asked for _, port in case.listening):
        return None
    address, port = min(case.listening, key=lambda found: (_is_loopback(found[0]), found[1]))
    inside = _is_loopback(address) and not _is_process(case)
    also = f" It also listens on {address} only: it must be 0.0.0.0." if inside else ""
    return Diagnosis(
        rule=18,
        title=f"The application listens on port {port}, and is asked on {asked}",
        meaning=f"It runs, but the port where it is expected is another one.{also}",
        fix="Let it listen on the port in the variable PORT, push, and deploy again." if _is_process(case)
        else f"Set the container port to {port}, or let it listen on the port in the variable PORT; then deploy again.",
        evidence=f"listens on {', '.join(f'{a}:{p}' for a, p in case.listening)}; asked on port {asked}",
        button=None if _is_process(case)
        else Button(f"Set the container port to {port}", "set_port", {"container_port": port}),
    )  # fmt: skip


def _wrong_path(case: Case) -> Diagnosis | None:
    answers = {str(path): status for path, status in (case.evidence.get("paths") or {}).items()}
    asked = str(case.evidence.get("health_path") or case.facts.get("health_path") or "")
    well = [path for path, status in answers.items() if isinstance(status, int) and 200 <= status < 300]
    missing = answers.get(asked) == 404 or case.search(r"GET \S+ answered HTTP 404", ("detail",)) is not None
    if not missing or not well or asked in well:
        return None
    path = well[0]
    return Diagnosis(
        rule=20,
        title=f"The health path {asked} does not exist, {path} does" if asked else f"The health path does not exist, {path} does",
        meaning="The application is up and answers, but knows nothing at the path where its health is asked.",
        fix=f"Set the health path to {path} and deploy again; or add {asked or 'one of the usual paths'} to the application.",
        evidence=", ".join(f"GET {path} → {status}" for path, status in answers.items()),
        button=Button(f"Set the health path to {path}", "set_health_path", {"health_path": path}),
    )  # fmt: skip


RULES: tuple[Rule, ...] = (
    saying(
        19, {"port_taken", "private_port_taken", "command_failed"},
        r"(?:Bind for (?P<where>\S+) failed: )?port is already allocated|listen tcp4? (?P<listen>\S+): bind: address already in use",
        title="The port is taken by something else",
        meaning="Another container or program on the machine listens on it.",
        fix="Retry to get another private port. For a public port choose another in the environment's settings, or leave it empty.",
        button=Button("Retry", "retry"), places=("detail", "log_tail"),
    ),
    saying(
        19, {"port_taken", "private_port_taken"}, r"\bport\b|in use|listens",
        title="The port is taken by something else",
        meaning="Another container or program on the machine listens on it.",
        fix="Retry to get another private port. For a public port choose another in the environment's settings, or leave it empty.",
        button=Button("Retry", "retry"), places=("detail",), alone=True,
    ),
    Rule(16, frozenset(RUN), _out_of_memory),
    Rule(17, frozenset(SILENT), _loopback),
    Rule(18, frozenset(SILENT), _wrong_port),
    saying(
        21, SILENT, r"Invalid HTTP_HOST header: '?(?P<host>[^'\s]+?)'?\. You may need to add|DisallowedHost|Invalid host header",
        title="The application refuses the host name it is asked by",
        meaning="It answers only names on its own list, and 127.0.0.1, where its health is asked, is not on it.",
        fix="Add 127.0.0.1 and the application's own host name to its list (ALLOWED_HOSTS in Django), then deploy again.",
        button=Button("Open the variables", "open_variables"),
    ),
    Rule(20, frozenset({"health_error", "unhealthy"}), _wrong_path),
    saying(
        23, SILENT | CRASHED | {"hook_failed"}, HEALTH_CHECK,
        title="A command needs a tool that is not in the image",
        meaning="Slim images have neither curl nor wget; a HEALTHCHECK or start script that calls one fails.",
        fix="Remove that HEALTHCHECK: the portal asks the health path over HTTP itself. Or install the tool with the line below. Then deploy again.",
        snippet="RUN apt-get update && apt-get install -y --no-install-recommends curl && rm -rf /var/lib/apt/lists/*",
    ),
)  # fmt: skip
