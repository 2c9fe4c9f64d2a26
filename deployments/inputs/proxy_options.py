"""How the proxy treats the requests of an environment: sizes, times, headers, and who may ask."""

import ipaddress
import re
from collections.abc import Callable
from typing import Any

from deployments.inputs.text import refuse

BODY_MB = range(1, 10_241)
READ_SECONDS = range(1, 3601)
MOST_HEADERS, MOST_NETWORKS, LONGEST_VALUE = 20, 50, 1000

HEADER = re.compile(r"[A-Za-z][A-Za-z0-9-]{0,63}")
# What the proxy itself says of an answer; twice would break it.
OWN_HEADERS = {
    "connection", "content-encoding", "content-length", "content-range", "content-type", "date", "keep-alive",
    "location", "server", "set-cookie", "te", "trailer", "transfer-encoding", "upgrade", "www-authenticate",
}  # fmt: skip

DEFAULTS: dict[str, Any] = {
    "body_mb": 50,
    "read_seconds": 60,
    "websockets": True,
    "headers": {},
    "allow": [],
}


def parse_proxy_options(value: object) -> dict[str, Any]:
    """Read the options as an object; what is left out has its default."""
    if not isinstance(value, dict):
        refuse("type", 'The proxy options are an object, such as {"body_mb": 100}.')
    unknown = [str(name)[:40] for name in value if name not in READERS]
    if unknown:
        refuse(
            "unknown", f"There is no proxy option {', '.join(unknown)}. Choose from: {', '.join(READERS)}."
        )
    given = {name: READERS[name](option) for name, option in value.items()}
    return {**DEFAULTS, "headers": {}, "allow": [], **given}


def _body_mb(value: object) -> int:
    return _number(value, BODY_MB, "body_mb", "the largest body in MB")


def _read_seconds(value: object) -> int:
    return _number(value, READ_SECONDS, "read_seconds", "how long an answer may take in seconds")


def _number(value: object, possible: range, name: str, meaning: str) -> int:
    if type(value) is not int or value not in possible:
        refuse(name, f"{name}, {meaning}, is a whole number from {possible[0]} to {possible[-1]}.")
    return value


def _websockets(value: object) -> bool:
    if not isinstance(value, bool):
        refuse("websockets", "websockets is true or false.")
    return value


def _headers(value: object) -> dict[str, str]:
    """Headers of every answer, each once whatever its case."""
    if not isinstance(value, dict):
        refuse("headers", 'headers is an object of names and values, such as {"X-Frame-Options": "DENY"}.')
    if len(value) > MOST_HEADERS:
        refuse(
            "headers", f"There are {len(value)} headers; at most {MOST_HEADERS} are possible. Remove some."
        )
    if len({str(name).lower() for name in value}) < len(value):
        refuse("headers", "A header is there twice. Names that differ in capitals only are the same.")
    return {_header_name(name): _header_value(name, text) for name, text in value.items()}


def _header_name(name: object) -> str:
    if not isinstance(name, str) or not HEADER.fullmatch(name):
        refuse(
            "headers",
            f"{str(name)[:70]!r} is not the name of a header. Use letters, digits and hyphens, "
            "such as X-Frame-Options.",
        )
    if name.lower() in OWN_HEADERS:
        refuse("headers", f"{name} is set by the proxy or the application. Remove it.")
    return name


def _header_value(name: str, text: object) -> str:
    if not isinstance(text, str) or not text.strip():
        refuse("headers", f"The value of {name} is empty or no text. Fill it in, or remove the header.")
    if len(text) > LONGEST_VALUE:
        refuse("headers", f"The value of {name} is longer than {LONGEST_VALUE} characters. Shorten it.")
    if not all(" " <= character <= "~" for character in text):
        refuse("headers", f"The value of {name} may contain visible ASCII characters and spaces only.")
    if "$" in text:
        refuse("headers", f"The value of {name} contains a $, which NGINX would replace. Remove it.")
    return text


def _allow(value: object) -> list[str]:
    """Networks in their usual spelling, each once."""
    if not isinstance(value, list | tuple):
        refuse("allow", 'allow is a list of networks, such as ["10.0.0.0/8", "203.0.113.7"].')
    networks = list(dict.fromkeys(_network(entry) for entry in value))
    if len(networks) > MOST_NETWORKS:
        refuse("allow", f"There are {len(networks)} networks; at most {MOST_NETWORKS} are possible.")
    return networks


def _network(entry: object) -> str:
    text = entry.strip() if isinstance(entry, str) else ""
    try:
        network = ipaddress.ip_network(text, strict=False)
    except ValueError:
        refuse(
            "allow",
            f"{str(entry)[:60]!r} is not a network. Write an address or a network such as 10.0.0.0/8.",
        )
    if "/" in text and ipaddress.ip_address(text.partition("/")[0]) != network.network_address:
        refuse("allow", f"{text} is an address inside a network. Write {network}, or the address alone.")
    return str(network)


READERS: dict[str, Callable[[object], Any]] = {
    "body_mb": _body_mb,
    "read_seconds": _read_seconds,
    "websockets": _websockets,
    "headers": _headers,
    "allow": _allow,
}
