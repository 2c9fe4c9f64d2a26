"""What a client may say on its socket: three small messages, not too often."""

import json
import time
from dataclasses import dataclass, field
from typing import Any

FRAME_LIMIT_BYTES = 4 * 1024
LARGEST_NUMBER = 2**31 - 1
IDENTIFIER_LENGTH = 36


class Refused(Exception):
    """Nobody who uses the page says this; the socket is closed."""


@dataclass(frozen=True)
class Subscribe:
    """Watch this deployment; with `after` also its lines from that number on."""

    deployment_id: str
    after: int | None


@dataclass(frozen=True)
class Acknowledge:
    """All lines up to this number have arrived."""

    number: int


@dataclass(frozen=True)
class Ping:
    """Are you there?"""


Message = Subscribe | Acknowledge | Ping


def parse(text: str | None) -> Message:
    """Read a message, or raise Refused."""
    if (
        text is None
        or len(text) > FRAME_LIMIT_BYTES
        or len(text.encode(errors="replace")) > FRAME_LIMIT_BYTES
    ):
        raise Refused("a text of at most 4 KiB is expected")
    try:
        given = json.loads(text, parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        raise Refused("JSON is expected") from error
    if not isinstance(given, dict):
        raise Refused("an object is expected")
    kind = given.get("type")
    if kind == "ping" and set(given) == {"type"}:
        return Ping()
    if kind == "ack" and set(given) == {"type", "seq"}:
        return Acknowledge(_number(given["seq"]))
    if kind == "subscribe_deployment" and {"type", "deployment_id"} <= set(given) <= _SUBSCRIBE_KEYS:
        after = given.get("after")
        return Subscribe(_identifier(given["deployment_id"]), None if after is None else _number(after))
    raise Refused("this message is not known")


_SUBSCRIBE_KEYS = {"type", "deployment_id", "after"}


def _number(value: Any) -> int:
    if type(value) is not int or not 0 <= value <= LARGEST_NUMBER:
        raise Refused("a line number is expected")
    return value


def _identifier(value: Any) -> str:
    if not isinstance(value, str) or len(value) > IDENTIFIER_LENGTH:
        raise Refused("a deployment's id is expected")
    return value


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is no JSON")


@dataclass
class Allowance:
    """How much a client may still say: so many messages a second, a few more at once."""

    per_second: float = 100
    at_once: float = 200
    left: float = field(init=False)
    at: float = field(init=False)

    def __post_init__(self) -> None:
        self.left, self.at = self.at_once, time.monotonic()

    def use(self) -> None:
        """Count one message, or raise Refused."""
        now = time.monotonic()
        self.left = min(self.at_once, self.left + (now - self.at) * self.per_second)
        self.at = now
        if self.left < 1:
            raise Refused("too many messages")
        self.left -= 1
