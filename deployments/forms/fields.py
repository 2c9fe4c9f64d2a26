"""Kinds of fields that pages use: nothing in them is corrected, and all read by the rules of `inputs`."""

from collections.abc import Callable
from typing import Any

from django import forms
from django.core.exceptions import ValidationError

from deployments import inputs

PLAIN: dict[str, Any] = {"spellcheck": "false", "autocomplete": "off", "autocapitalize": "off"}


def text(*, max_length: int, required: bool = False, **attrs: Any) -> forms.CharField:
    """A line of text in which nothing is corrected, neither by the browser nor by us."""
    label, help_text = attrs.pop("label", None), attrs.pop("help_text", "")
    widget = forms.TextInput(attrs=PLAIN | attrs)
    return forms.CharField(
        max_length=max_length, required=required, widget=widget, label=label, help_text=help_text, strip=False
    )


def secret(*, label: str, max_length: int = 500, help_text: str = "") -> forms.CharField:
    """Something that is written and never shown; empty means that it stays."""
    widget = forms.PasswordInput(attrs={"autocomplete": "new-password"})
    return forms.CharField(
        label=label, required=False, max_length=max_length, widget=widget, help_text=help_text, strip=False
    )


class RuledField(forms.CharField):
    """A text whose rule refuses in its own words, before anything is said about length."""

    def __init__(self, *, rule: Callable[[str], object], **kwargs: Any) -> None:
        super().__init__(strip=False, **kwargs)
        self.rule = rule

    def to_python(self, value: Any) -> str:
        text = super().to_python(value) or ""
        if text:
            self.rule(text)
        return text


class PortField(forms.Field):
    """A port by the same rule as everywhere: plain decimal digits, no sign, no other alphabet."""

    def __init__(self, *, low: int = 1, public: bool = False, **kwargs: Any) -> None:
        attrs = {"inputmode": "numeric", "autocomplete": "off"}
        super().__init__(required=False, widget=forms.TextInput(attrs=attrs), **kwargs)
        self.low, self.public = low, public

    def to_python(self, value: Any) -> int | None:
        if value in self.empty_values:
            return None
        return inputs.parse_host_port(value) if self.public else inputs.parse_port(value, low=self.low)


class CommandField(forms.CharField):
    """One line for the shell of the container."""

    def __init__(self, **kwargs: Any) -> None:
        placeholder = kwargs.pop("placeholder", "")
        widget = forms.TextInput(attrs=PLAIN | {"class": "mono", "placeholder": placeholder})
        super().__init__(required=False, strip=False, widget=widget, **kwargs)

    def to_python(self, value: Any) -> str:
        return inputs.parse_command(super().to_python(value))


class LinesField(forms.Field):
    """A list, one entry per line."""

    def __init__(self, *, rows: int = 2, placeholder: str = "", **kwargs: Any) -> None:
        attrs = PLAIN | {"rows": rows, "class": "mono", "placeholder": placeholder}
        super().__init__(required=False, widget=forms.Textarea(attrs=attrs), **kwargs)

    def prepare_value(self, value: Any) -> Any:
        return "\n".join(value) if isinstance(value, list | tuple) else value

    def to_python(self, value: Any) -> list[str]:
        return inputs.split_lines(value) if isinstance(value, str) else list(value or [])


class HostnamesField(LinesField):
    """Host names, one per line."""

    def to_python(self, value: Any) -> list[str]:
        return inputs.parse_hostnames(super().to_python(value))


class PairsField(forms.Field):
    """Names with values, one pair per line."""

    def __init__(self, *, between: str, placeholder: str, rows: int = 3, **kwargs: Any) -> None:
        attrs = PLAIN | {"rows": rows, "class": "mono", "placeholder": placeholder}
        super().__init__(required=False, widget=forms.Textarea(attrs=attrs), **kwargs)
        self.between = between

    def prepare_value(self, value: Any) -> Any:
        if not isinstance(value, dict):
            return value
        return "\n".join(f"{name}{self.between}{text}" for name, text in value.items())

    def to_python(self, value: Any) -> dict[str, str]:
        if not isinstance(value, str):
            return dict(value or {})
        pairs: dict[str, str] = {}
        for line in filter(str.strip, value.splitlines()):
            name, found, text = line.partition(self.between.strip())
            if not found:
                raise ValidationError(
                    f"Write {self.between.strip()!r} between name and value, in {line[:60]!r}."
                )
            pairs[name.strip()] = text.strip() if self.between.endswith(" ") else text
        return pairs


class BuildArgsField(PairsField):
    """Build arguments, one NAME=value per line."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(between="=", placeholder="PYTHON_VERSION=3.11", **kwargs)

    def to_python(self, value: Any) -> dict[str, str]:
        return inputs.parse_build_args(super().to_python(value))
