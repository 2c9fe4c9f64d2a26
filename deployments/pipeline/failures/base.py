"""What people read about a failure."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Explanation:
    """One title, one sentence on what it means, one on what to do."""

    title: str
    sentence: str
    fix: str
