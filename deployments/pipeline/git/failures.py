"""What git's words mean: a failure code, and the one line of its output that says it best."""

import re

DETAIL_LENGTH = 300
TIMED_OUT = 124
KILLED = 137
NOT_INSTALLED = 127


class GitFailed(Exception):
    """git could not do what it was asked; the code names a sentence in the catalogue of failures."""

    def __init__(self, code: str, detail: str = "") -> None:
        super().__init__(f"{code}: {detail}")
        self.code = code
        self.detail = detail


# Read from the top; the first match decides.
PATTERNS: tuple[tuple[str, str], ...] = (
    (r"No space left on device", "disk_full"),
    (r"git is not installed", "git_missing"),
    (r"REMOTE HOST IDENTIFICATION HAS CHANGED|Host key verification failed", "git_host_key_changed"),
    (r"transport '\S+' not allowed|Unable to find remote helper", "git_host_refused"),
    (r"is not in the repository|not our ref|unadvertised object", "commit_not_found"),
    (r"couldn't find remote ref|Remote branch \S+ not found", "branch_not_found"),
    (r"requested URL returned error: 30\d|unable to update url base from redirection", "repository_moved"),
    (
        r"Could not resolve host|Name or service not known|Temporary failure in name resolution",
        "git_unreachable",
    ),
    (r"Operation too slow|timed out|Timeout was reached", "git_timeout"),
    (r"SSL certificate|SSL peer certificate|server certificate verification failed|TLS", "git_tls_failed"),
    (
        r"Connection refused|Failed to connect|Couldn't connect|No route to host|Network is unreachable",
        "git_unreachable",
    ),
    (
        r"requested URL returned error: (?:429|5\d\d)|Empty reply from server|Connection reset",
        "git_unreachable",
    ),
    (r"could not read (?:Username|Password)|terminal prompts disabled", "asked"),
    (
        r"Authentication failed|requested URL returned error: 40[13]|Permission denied \(|Access denied",
        "refused",
    ),
    (r"invalid format|error in libcrypto|Load key ", "git_auth_failed"),
    (
        r"[Rr]epository .{0,300}not found|Repository not found|project you were looking for could not be found",
        "missing",
    ),
    (r"does not appear to be a git repository|not valid: is this a git repository", "missing"),
    (r"requested URL returned error: 404", "missing"),
    (
        r"Could not read from remote repository|early EOF|hung up unexpectedly|unexpected disconnect",
        "git_unreachable",
    ),
)
NOISE = re.compile(r"^(?:remote: *$|warning: |hint: |Please make sure|and the repository exists|$)")
BEST = re.compile(r"^(?:fatal|error|ERROR|remote|ssh)\b")
UNPRINTABLE = re.compile(r"[^\x20-\x7e\u00a0-\ud7ff]")


def classify(output: str, exit_code: int, *, has_credentials: bool) -> GitFailed:
    """Say what a failed git command means. A server that hides private repositories says that they are missing."""
    detail = best_line(output)
    if exit_code in (TIMED_OUT, KILLED):
        return GitFailed("git_timeout", detail)
    word = next((word for pattern, word in PATTERNS if re.search(pattern, output)), "")
    if not word:
        return GitFailed("git_missing" if exit_code == NOT_INSTALLED else "git_failed", detail)
    if word == "asked" or (word == "refused" and not has_credentials):
        return GitFailed(
            "repository_not_found", "It is not there, or it is private: add an access token or deploy key."
        )
    if word == "refused":
        return GitFailed("git_auth_failed", detail)
    if word == "missing":
        hint = " The credentials that are stored may not be allowed to see it." if has_credentials else ""
        return GitFailed("repository_not_found", detail + hint)
    return GitFailed(word, detail)


def best_line(output: str) -> str:
    """The last line in which git or the server says what is wrong."""
    lines = [UNPRINTABLE.sub("", line).strip() for line in output.splitlines()]
    lines = [line for line in lines if not NOISE.match(line)]
    telling = [line for line in lines if BEST.match(line)] or lines
    return telling[-1][:DETAIL_LENGTH] if telling else ""
