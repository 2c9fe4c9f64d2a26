"""Names under which an environment answers on a machine that several share."""

import ipaddress
import re

from deployments.inputs.text import plain, refuse

MOST = 5
LABEL = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?")


def parse_hostnames(value: object) -> list[str]:
    """Read a list of host names: small letters, each once, other alphabets as xn--."""
    if not isinstance(value, list | tuple):
        refuse("type", 'The host names are a list, such as ["churn.example.org"].')
    names = list(dict.fromkeys(parse_hostname(name) for name in value))
    if len(names) > MOST:
        refuse("too_many", f"There are {len(names)} host names; at most {MOST} are possible. Remove some.")
    return names


def parse_hostname(value: object) -> str:
    """Read one name by RFC 1123; no address, no wildcard, no port."""
    if not isinstance(value, str):
        refuse("type", "A host name must be text.")
    name = _as_ascii(value).lower()
    plain(name, what="The host name", limit=253)
    _refuse_look_alikes(name)
    labels = name.split(".")
    if len(labels) < 2 or not all(LABEL.fullmatch(label) for label in labels):
        refuse(
            "hostname",
            f"{name} is not a host name. It has letters, digits and hyphens between single dots, "
            "such as churn.example.org.",
        )
    return name


def _as_ascii(name: str) -> str:
    """The name as DNS knows it: letters of other alphabets become xn--…"""
    if name.isascii():
        return name
    try:
        return name.encode("idna").decode("ascii")
    except UnicodeError:
        refuse("hostname", "The host name has characters that no name of the DNS can have. Retype it.")


def _refuse_look_alikes(name: str) -> None:
    """What people write for a host name and is none, each with what to write instead."""
    if "*" in name:
        refuse("wildcard", f"{name} is a wildcard. Write each name out, such as churn.example.org.")
    if "://" in name or "/" in name:
        refuse("hostname", "Write the host name alone, without http:// and path: churn.example.org.")
    if _is_address(name):
        refuse("address", f"{name} is an address. Write a name that the DNS leads to the machine.")


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name.strip("[]"))
    except ValueError:
        # Browsers take a name whose last part is a number for an IPv4 address.
        return name.rpartition(".")[2].isdigit()
    return True


def split_lines(text: str) -> list[str]:
    """The entries of a text with one per line; commas part them too."""
    return [entry.strip() for entry in re.split(r"[\n,]", text) if entry.strip()]
