"""What a worker's supervisor and the processes of its queue tell each other without the database.

A little memory that all of them share, because the processes are forked from the supervisor. In any
other process nothing ever changes here.
"""

import mmap
import struct
import time
from collections.abc import Iterator

_WORKED_AT = struct.Struct("d")
_STOP_AT = _WORKED_AT.size
# Numbers of messages that were fetched and not yet acknowledged; 0 is a free place. One process
# fills them and another one empties them, so no lock is needed.
_MESSAGE = struct.Struct("q")
_MESSAGES_AT = 64
_PLACES = 64
_shared = mmap.mmap(-1, _MESSAGES_AT + _PLACES * _MESSAGE.size)


def note_work() -> None:
    """Say that a message went all the way: fetched, run, acknowledged."""
    _WORKED_AT.pack_into(_shared, 0, time.monotonic())


def last_work() -> float:
    """When that happened last, by the monotonic clock that all processes of a machine share."""
    seconds: float = _WORKED_AT.unpack_from(_shared, 0)[0]
    return seconds


def ask_to_stop() -> None:
    """Ask long tasks to end their slice early, because the worker is being stopped."""
    _shared[_STOP_AT] = 1


def stop_asked() -> bool:
    """Tell whether this task should hand over now: the worker is being stopped."""
    return _shared[_STOP_AT] == 1


def note_fetched(message: int) -> None:
    """Remember that our processes hold this message."""
    _replace(0, message)


def note_done(message: int) -> None:
    """They no longer do."""
    _replace(message, 0)


def held() -> list[int]:
    """The messages that our processes hold."""
    return [message for _, message in _places() if message]


def _replace(old: int, new: int) -> None:
    for place, message in _places():
        if message == old:
            _MESSAGE.pack_into(_shared, place, new)
            return


def _places() -> Iterator[tuple[int, int]]:
    for place in range(_MESSAGES_AT, len(_shared), _MESSAGE.size):
        yield place, _MESSAGE.unpack_from(_shared, place)[0]
