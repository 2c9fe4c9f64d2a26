"""A button of a page: what it does, what it asks first, and why it is disabled."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Button:
    """A form with one button. With a reason it is shown disabled."""

    key: str
    label: str
    icon: str
    url: str
    reason: str = ""
    tone: str = ""
    question: str = ""
    text: str = ""
    consequences: str = ""
    yes: str = ""
    # What has to be typed before it goes on.
    typed: str = ""
