"""Which TCP ports are taken on this machine.

Looked up, not tried: binding a port for a moment would get in the way of an application that is about to.
"""

from pathlib import Path

LISTEN = "0A"


def ports() -> set[int]:
    """All ports on which somebody listens, on any address."""
    taken: set[int] = set()
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        if Path(table).exists():
            taken |= in_table(Path(table).read_text())
    return taken


def in_table(table: str) -> set[int]:
    """The ports of a table such as /proc/net/tcp; several may follow each other."""
    rows = (line.split() for line in table.splitlines()[1:])
    return {int(row[1].rpartition(":")[2], 16) for row in rows if row[3] == LISTEN}
