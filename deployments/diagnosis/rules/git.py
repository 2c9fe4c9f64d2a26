"""The repository: whether it can be read, and what is in it."""

import re

from deployments.diagnosis.base import Button, Case, Diagnosis, Rule, clipped, saying
from deployments.diagnosis.codes import GIT

BRANCHES = re.compile(r"The branches are (.+?)(?: and \d+ more)?\.\s*$")
NAMES_SHOWN = 5
# The same last line ends what git says when it did not even reach the server.
NO_NETWORK = (
    r"timed out|Could not resolve host|Connection refused|No route to host|unreachable|returned error: 5\d\d"
)
FOUND_INSTEAD = re.compile(r"Found instead: (.+?)\.?$")


def _branch(case: Case) -> Diagnosis | None:
    names = _listed(case.detail)
    usual = (str(case.facts.get("default_branch") or ""), "main", "master")
    branch = next((name for name in usual if name in names), names[0] if len(names) == 1 else "")
    return Diagnosis(
        rule=10,
        title="The repository has no such branch",
        meaning=f"It was renamed, deleted or never pushed. There is {' and '.join(names[:NAMES_SHOWN])}." if names
        else "It was renamed, deleted or never pushed.",
        fix=f"Deploy {branch}, or push the missing branch." if branch
        else "Push it, or choose one that is there.",
        evidence=clipped(case.first_line),
        button=Button(f"Deploy {branch}", "use_branch", {"branch": branch}) if branch else None,
    )  # fmt: skip


def _listed(detail: str) -> list[str]:
    listed = BRANCHES.search(detail)
    return listed[1].split(", ") if listed else []


def _dockerfile(case: Case) -> Diagnosis | None:
    found = FOUND_INSTEAD.search(case.first_line)
    candidates = found[1].split(", ") if found else []
    path = candidates[0] if candidates else ""
    return Diagnosis(
        rule=11,
        title="The Dockerfile is somewhere else" if path else "The repository has no Dockerfile",
        meaning=f"At this commit there is {' and '.join(candidates)}." if path
        else "Without one the portal does not know how to build the application.",
        fix=f"Set the Dockerfile path to {path}, then deploy again." if path
        else "Add a file named Dockerfile to the repository's root, push, and deploy again.",
        evidence=clipped(case.first_line),
        button=Button(f"Set the path to {path}", "set_dockerfile", {"dockerfile": path}) if path
        else Button("Set another path", "set_dockerfile"),
        snippet="" if path
        else 'FROM python:3.11-slim\nWORKDIR /app\nCOPY . .\nRUN pip install -r requirements.txt\nEXPOSE 8000\nCMD ["python", "app.py"]',
    )  # fmt: skip


RULES: tuple[Rule, ...] = (
    saying(
        9, {"git_auth_failed"}, r"Authentication failed|40[13]|Permission denied|Access denied|Load key|invalid format",
        title="The stored access token or deploy key is not accepted",
        meaning="It has expired, was withdrawn, or may not read this repository.",
        fix="Store a fresh one with read access in the application's settings, then retry.",
        button=Button("Store another token", "open_settings", {"field": "git_token"}), alone=True,
    ),
    saying(
        9, GIT, r"could not read Username|terminal prompts disabled|Could not read from remote repository|[Rr]epository .{0,200}not found|it is private|requested URL returned error: 40[134]",
        title="The repository is private, or its address is wrong",
        meaning="Git servers hide private repositories: they answer as if there were none.",
        fix="Compare the Git URL. If it is right, store an access token or deploy key with read access in the settings, then retry.",
        button=Button("Add an access token", "open_settings", {"field": "git_token"}), unless=NO_NETWORK,
    ),
    saying(
        9, {"repository_not_found"}, r".",
        title="The repository is private, or its address is wrong",
        meaning="Git servers hide private repositories: they answer as if there were none.",
        fix="Compare the Git URL. If it is right, store an access token or deploy key with read access in the settings, then retry.",
        button=Button("Add an access token", "open_settings", {"field": "git_token"}), alone=True, places=("detail",),
    ),
    Rule(10, frozenset({"branch_not_found"}), _branch),
    Rule(11, frozenset({"dockerfile_missing"}), _dockerfile),
)  # fmt: skip
