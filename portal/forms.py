"""What the pages of the roof ask for."""

from typing import Any

from django import forms
from django.contrib.auth.forms import AuthenticationForm, PasswordChangeForm

from portal.core import tokens
from portal.core.pages import StyledForm

LIFETIMES = [(7, "7 days"), (30, "30 days"), (90, "90 days"), (365, "1 year")]


class LoginForm(AuthenticationForm):
    """Django's own, in the clothes of the design."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for field in self.fields.values():
            field.widget.attrs["class"] = "input"


class PasswordForm(PasswordChangeForm):
    """Django's own, in the clothes of the design."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for field in self.fields.values():
            field.widget.attrs["class"] = "input"
        self.fields["new_password1"].help_text = ""


class TokenForm(StyledForm):
    """A new token: what it is for, what it may do, how long."""

    name = forms.CharField(
        max_length=80, widget=forms.TextInput(attrs={"placeholder": "CI of churn-api", "autocomplete": "off"})
    )
    scopes = forms.MultipleChoiceField(
        choices=[(key, sentence) for key, sentence in tokens.SCOPES.items()],
        widget=forms.CheckboxSelectMultiple,
        initial=["read", "deploy"],
        error_messages={"required": "Choose at least one."},
    )
    days = forms.TypedChoiceField(
        label="Works for", choices=LIFETIMES, coerce=int, initial=tokens.DEFAULT_DAYS
    )
