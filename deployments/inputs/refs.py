"""Branches, tags and commits that a deployment may name."""

import re

from deployments.inputs.text import plain, refuse

ALLOWED = re.compile(r"[A-Za-z0-9][A-Za-z0-9._/@+#-]{0,199}")
COMMIT = re.compile(r"[0-9a-fA-F]{40}")
# Full names of refs and names that git itself gives a meaning; what people type is shorter.
RESERVED_PREFIXES = ("refs/", "heads/", "tags/", "remotes/")
SPECIAL = re.compile(r"(?:[A-Z]+_)?HEAD|refs")


def check_branch(value: str) -> None:
    """Refuse what is no short name of a branch or tag, and no full commit id."""
    what = "The branch"
    plain(value, what=what, limit=200)
    if value.startswith(RESERVED_PREFIXES) or SPECIAL.fullmatch(value):
        refuse("ref", f"{what} must be a short name. Write main, not refs/heads/main or HEAD.")
    if not ALLOWED.fullmatch(value):
        refuse(
            "ref",
            f"{what} may contain letters, digits and . _ / @ + # -, and begins with a letter or digit. "
            "Write a branch, a tag, or a commit with all its 40 characters.",
        )
    parts = value.split("/")
    if ".." in value or value.endswith(".") or any(not part or part.startswith(".") for part in parts):
        refuse(
            "ref",
            f"{what} has an empty part, or a dot where git allows none. Copy the name from the Git server.",
        )
    if any(part.endswith(".lock") for part in parts):
        refuse(
            "ref", f"{what} has a part that ends with .lock, which git does not allow. Copy the name again."
        )


def is_commit(ref: str) -> bool:
    """Is this a full commit id rather than a name?"""
    return COMMIT.fullmatch(ref) is not None
