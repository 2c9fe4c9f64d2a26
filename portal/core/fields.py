"""A model attribute that is a Secret in Python and sealed text in its column."""

from typing import Any, overload

from django.db import models

from portal.core import secrets
from portal.core.secrets import Secret


class Sealed:
    """`value = Sealed("value_sealed")`: reading opens the column, setting seals into it.

    The value is bound to the table, the row's uuid and the column, so that copying the
    ciphertext elsewhere makes it unreadable.
    """

    def __init__(self, column: str) -> None:
        self.column = column

    @overload
    def __get__(self, row: None, owner: type) -> "Sealed": ...
    @overload
    def __get__(self, row: models.Model, owner: type) -> Secret: ...
    def __get__(self, row: models.Model | None, owner: type) -> "Sealed | Secret":
        if row is None:
            return self
        sealed: str = getattr(row, self.column)
        return secrets.unseal(sealed, context=self.context(row)) if sealed else Secret("")

    def __set__(self, row: models.Model, value: Secret) -> None:
        setattr(row, self.column, secrets.seal(value, context=self.context(row)) if value else "")

    def context(self, row: Any) -> str:
        return f"{row._meta.db_table}:{row.uuid}:{self.column}"
