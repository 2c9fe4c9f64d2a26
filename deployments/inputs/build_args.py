"""Values that a Dockerfile's ARG lines get. They stay readable in the image, so they are no place for secrets."""

from deployments.inputs.names import VARIABLE_NAME
from deployments.inputs.text import refuse

MOST = 50
VALUE_BYTES = 4096
WARNING = "Build arguments stay readable in the image. Put passwords and keys into variables instead."


def parse_build_args(value: object) -> dict[str, str]:
    """Read an object of names and texts."""
    if not isinstance(value, dict):
        refuse("type", 'The build arguments are an object of texts, such as {"PYTHON_VERSION": "3.11"}.')
    if len(value) > MOST:
        refuse("too_many", f"There are {len(value)} build arguments; at most {MOST} are possible.")
    for name, text in value.items():
        _check_name(name)
        _check_value(name, text)
    return dict(value)


def _check_name(name: object) -> None:
    if not isinstance(name, str) or not VARIABLE_NAME.fullmatch(name):
        refuse(
            "build_arg_name",
            f"{str(name)[:40]!r} is not a name of a build argument. It may contain letters, digits and "
            "underscores, and does not begin with a digit.",
        )


def _check_value(name: str, text: object) -> None:
    if not isinstance(text, str):
        refuse("type", f"The build argument {name} must be text.")
    if "\0" in text:
        refuse("nul", f"The build argument {name} contains a NUL character. Remove it.")
    try:
        size = len(text.encode())
    except UnicodeEncodeError:
        refuse("encoding", f"The build argument {name} is not valid UTF-8.")
    if size > VALUE_BYTES:
        refuse(
            "too_long",
            f"The build argument {name} has {size} bytes; at most {VALUE_BYTES} are possible. "
            "Put it into a file of the repository.",
        )
