"""What `git ls-remote --symref` says of a repository."""

import re
from dataclasses import dataclass, field

from deployments.inputs.refs import is_commit

SYMREF = re.compile(r"ref: refs/heads/(?P<branch>\S+)\tHEAD")
LINE = re.compile(r"(?P<commit>[0-9a-f]{40})\t(?P<ref>\S+)")
PEELED = "^{}"


@dataclass(frozen=True)
class RemoteRefs:
    """The default branch, and the commit of each branch and tag."""

    default_branch: str = ""
    branches: dict[str, str] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)
    head: str = ""

    @property
    def commits(self) -> dict[str, str]:
        """The commit of each name; a branch goes before a tag of the same name."""
        return {**self.tags, **self.branches}

    @property
    def is_empty(self) -> bool:
        return not (self.head or self.branches or self.tags)

    def find(self, ref: str) -> str | None:
        """The commit that a branch, a tag or a commit id means; no ref means the default branch."""
        if not ref:
            return self.head or self.branches.get(self.default_branch)
        named = self.commits.get(ref)
        return named or (ref.lower() if is_commit(ref) else None)


def parse_ls_remote(output: str) -> RemoteRefs:
    """Read the answer of `git ls-remote --symref`; lines that are none of it are left out."""
    default_branch, head = "", ""
    branches: dict[str, str] = {}
    tags: dict[str, str] = {}
    for line in output.splitlines():
        symref = SYMREF.fullmatch(line)
        if symref:
            default_branch = symref["branch"]
            continue
        match = LINE.fullmatch(line)
        if match is None:
            continue
        commit, ref = match["commit"], match["ref"]
        if ref == "HEAD":
            head = commit
        elif ref.startswith("refs/heads/"):
            branches[ref.removeprefix("refs/heads/")] = commit
        elif ref.startswith("refs/tags/"):
            # An annotated tag is listed twice; the second line, marked as peeled, names its commit.
            tags[ref.removeprefix("refs/tags/").removesuffix(PEELED)] = commit
    return RemoteRefs(default_branch or _guess(head, branches), branches, tags, head)


def _guess(head: str, branches: dict[str, str]) -> str:
    """Old servers do not say what HEAD stands for."""
    same = [name for name, commit in branches.items() if head and commit == head]
    return next((name for name in ("main", "master") if name in same), same[0] if same else "")
