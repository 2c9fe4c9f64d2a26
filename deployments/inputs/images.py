"""References to container images that were made elsewhere."""

import re

from django.core.exceptions import ValidationError

LONGEST = 255
NAME = r"[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*"
IMAGE = re.compile(
    rf"(?:(?:localhost|[a-z0-9](?:[a-z0-9-]*[a-z0-9])?(?:\.[a-z0-9](?:[a-z0-9-]*[a-z0-9])?)+)(?::[0-9]{{1,5}})?/)?"
    rf"{NAME}(?:/{NAME})*"
    r"(?::[A-Za-z0-9_][A-Za-z0-9_.-]{0,127})?"
    r"(?:@sha256:[0-9a-f]{64})?"
)


def check_image(value: str) -> None:
    """A reference such as registry.example.org/team/app:1.2 or …@sha256:…"""
    if len(value) > LONGEST or not IMAGE.fullmatch(value):
        raise ValidationError(
            "This is not the reference of an image. It looks like registry.example.org/team/app:1.2 "
            "or registry.example.org/team/app@sha256:…",
            code="image",
        )
