"""Names of applications and environments, and names and values of variables."""

import re

from deployments.inputs.text import plain, refuse

APP_NAME = re.compile(r"[a-z][a-z0-9-]{1,38}[a-z0-9]")
ENVIRONMENT_NAME = re.compile(r"[a-z](?:[a-z0-9-]{0,38}[a-z0-9])?")
VARIABLE_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,127}")
VALUE_BYTES = 32 * 1024

# Paths of the portal, host names with a meaning, and words that read as no name at all.
RESERVED_APP_NAMES = frozenset(
    """
    admin api apps assets auth docs favicon health healthz livez login logout media metrics oauth openapi
    overview password portal predict readyz robots schema settings signup static tokens ws
    ftp imap localhost mail mx ns1 ns2 pop smtp ssh webmail wpad www
    default docker local nginx none null root system true false undefined
    """.split()  # noqa: SIM905
)
RESERVED_VARIABLES = {
    "PATH": "programs are found through it",
    "IFS": "shells split words by it",
    "ENV": "shells run the file it names",
    "BASH_ENV": "shells run the file it names",
    "SHELLOPTS": "it changes how shells work",
}
RESERVED_VARIABLE_PREFIXES = {
    "LD_": "the loader runs code it names",
    "DOCKER_": "it steers the Docker client",
}


def check_app_name(value: str) -> None:
    """Refuse what cannot be a DNS label of an application of ours."""
    what = "The name"
    if not APP_NAME.fullmatch(plain(value, what=what, limit=40)):
        refuse(
            "app_name",
            f"{what} must have 3 to 40 characters: small letters, digits and hyphens, beginning with a letter "
            "and not ending with a hyphen. Write for example churn-api.",
        )
    if "--" in value:
        refuse("app_name", f"{what} contains two hyphens in a row. Use one.")
    if value in RESERVED_APP_NAMES:
        refuse("reserved", f"{what} {value} is reserved. Write for example {value}-app.")


def suggest_name(text: str) -> str:
    """The valid application name that is nearest to a text."""
    name = re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")
    if not name or not name[0].isalpha():
        name = f"app-{name}".rstrip("-")
    name = name[:40].rstrip("-")
    if len(name) < 3 or name in RESERVED_APP_NAMES:
        name = f"{name}-app"
    return name


def check_environment_name(value: str) -> None:
    """Refuse what is not a short name in small letters."""
    what = "The environment's name"
    if not ENVIRONMENT_NAME.fullmatch(plain(value, what=what, limit=40)) or "--" in value:
        refuse(
            "environment_name",
            f"{what} may contain small letters, digits and single hyphens between them, and begins with a letter. "
            "Write for example dev, stage, prod or demo-2.",
        )


def check_variable_name(value: str) -> None:
    """Refuse what is no C identifier, and names that would steer the shell, the loader or the portal."""
    what = "The variable's name"
    if not VARIABLE_NAME.fullmatch(plain(value, what=what, limit=128)):
        refuse(
            "variable_name",
            f"{what} may contain letters, digits and underscores, and does not begin with a digit. "
            "Write for example MODEL_URL.",
        )
    reason = RESERVED_VARIABLES.get(value) or next(
        (why for prefix, why in RESERVED_VARIABLE_PREFIXES.items() if value.startswith(prefix)), ""
    )
    if reason:
        refuse("reserved", f"{what} {value} cannot be set: {reason}. Choose another name.")


def check_variable_value(value: str) -> None:
    """Refuse only what no environment can hold; every other value must survive byte for byte."""
    if not isinstance(value, str):
        refuse("type", "The value must be text.")
    if "\0" in value:
        refuse("nul", "The value contains a NUL character, which no environment can hold. Remove it.")
    try:
        size = len(value.encode())
    except UnicodeEncodeError:
        refuse("encoding", "The value is not valid UTF-8. Encode it, for example as Base64.")
    if size > VALUE_BYTES:
        refuse(
            "too_long", f"The value has {size} bytes; at most {VALUE_BYTES} are possible. Put it into a file."
        )
