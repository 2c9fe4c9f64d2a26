"""Commands that an application brings along: its test, and its hooks by the moment at which they run."""

import unicodedata

from deployments.inputs.text import refuse

LONGEST = 500
MOMENTS = {
    "pre_build": "Before the image is built",
    "pre_deploy": "Before traffic switches",
    "post_deploy": "After it is live",
    "on_failure": "After a failure",
}


def check_command(value: object) -> None:
    """Refuse what is not one line of text; the container's own shell reads it."""
    if not isinstance(value, str):
        refuse("type", "The command must be text.")
    if len(value) > LONGEST:
        refuse(
            "too_long",
            f"The command has {len(value)} characters; at most {LONGEST} are possible. Put it into a script.",
        )
    for position, character in enumerate(value, start=1):
        if unicodedata.category(character) in ("Cc", "Cf", "Cs", "Zl", "Zp"):
            refuse(
                "control",
                f"The command contains a line break or another invisible character at position {position} "
                f"(U+{ord(character):04X}). Write it on one line, with && between its parts.",
            )


def parse_command(value: object) -> str:
    """Read one command; spaces around it mean nothing."""
    check_command(value)
    return str(value).strip()


def parse_hooks(value: object) -> dict[str, str]:
    """Read the hooks: one command per moment, empty ones are left out."""
    if not isinstance(value, dict):
        refuse("type", 'The hooks are an object of commands, such as {"pre_deploy": "python migrate.py"}.')
    unknown = sorted(str(moment) for moment in set(value) - set(MOMENTS))
    if unknown:
        refuse("unknown", f"There is no moment {unknown[0][:40]!r}. There are: {', '.join(MOMENTS)}.")
    commands = {moment: parse_command(value[moment]) for moment in MOMENTS if value.get(moment)}
    return {moment: command for moment, command in commands.items() if command}
