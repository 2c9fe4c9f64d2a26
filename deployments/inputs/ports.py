"""Port numbers as people and programs send them."""

import re

from deployments.inputs.text import refuse

DECIMAL = re.compile(r"[1-9][0-9]{0,4}")
HTTP_PORT = 80


def parse_port(value: object, *, low: int = 1, high: int = 65535) -> int:
    """Read a JSON integer or plain decimal digits; nothing else that Python would take for a number."""
    if type(value) is int:
        number = value
    elif isinstance(value, str) and DECIMAL.fullmatch(value):
        number = int(value)
    else:
        refuse(
            "port", f"A port is a whole number from {low} to {high}, written in digits only, such as 8000."
        )
    if not low <= number <= high:
        refuse("port_range", f"The port must be from {low} to {high}. Choose another, such as 8000.")
    return number


def parse_container_port(value: object) -> int:
    """The port inside the container; any port is possible there."""
    return parse_port(value)


def parse_host_port(value: object) -> int:
    """The public port: 80, else none of those below 1024, which belong to the machine's own services."""
    return HTTP_PORT if value in (HTTP_PORT, str(HTTP_PORT)) else parse_port(value, low=1024)


def check_public_port(value: int) -> None:
    """Refuse a public port of a machine's own services; 80 is what a proxy of ours answers on elsewhere."""
    parse_host_port(value)
