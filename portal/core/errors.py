"""The three refusals that every surface maps to its own words: denied, not found, invalid."""

from django.core.exceptions import ValidationError


class ActionDenied(Exception):
    """The rules do not allow this now, or not to this person."""

    def __init__(self, message: str, *, code: str = "denied", forbidden: bool = False) -> None:
        super().__init__(message)
        self.message = message
        self.code = code
        # Forbidden means "not you" (403); otherwise it is "not now" (409).
        self.forbidden = forbidden


class NotFound(Exception):
    """The object is not there, or not for this person: the two must look alike."""


class Invalid(ValidationError):
    """Input was refused; carries one message list per field."""

    def __init__(self, errors: dict[str, str] | dict[str, list[str]]) -> None:
        super().__init__({field: [text] if isinstance(text, str) else text for field, text in errors.items()})
