"""The log of a deployment: taken in, kept as chunks, read by number, shown live.

The database comes first and the socket second: every line is masked, cut and numbered without gaps in
the transaction that also stores how far the job's output was read. A ring only says "look".
"""

from deployments.logs.ingest import Taken, ingest
from deployments.logs.lines import Line
from deployments.logs.reading import first_error, outline, read, search, tail, text_lines
from deployments.logs.ringing import ring
from deployments.logs.storing import append, seal

__all__ = [
    "Line", "Taken", "append", "first_error", "ingest", "outline", "read", "ring", "seal", "search",
    "tail", "text_lines",
]  # fmt: skip
