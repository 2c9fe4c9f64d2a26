"""Reads the environment for the settings: remembers every name, and gathers all problems before it stops."""

import os
import warnings
from collections.abc import Callable
from typing import Any, TypeVar
from urllib.parse import urlsplit

import environ
from django.core.exceptions import ImproperlyConfigured
from environ.fileaware_mapping import FileAwareMapping

Value = TypeVar("Value")

MASK = "••••"
SECRET_WORDS = ("KEY", "TOKEN", "SECRET", "PASSWORD")


class _Variables(FileAwareMapping):  # type: ignore[misc]
    """The environment, or for NAME the file that NAME_FILE names."""

    def __getitem__(self, key: str) -> str:
        value = str(super().__getitem__(key)).strip("\r\n")
        if not value:
            # `NAME=` in a file is how people leave a variable out.
            raise KeyError(key)
        # The library would take $WORD for the name of another variable.
        return "\\" + value if value.startswith("$") else value


class Reader(environ.FileAwareEnv):  # type: ignore[misc]
    """Typed access to variables; each wrong one is noted, and its default used until the end."""

    ENVIRON = _Variables()

    def __init__(self) -> None:
        super().__init__()
        self.escape_proxy = True
        self.names: set[str] = set()
        self.problems: list[str] = []

    def get_value(
        self, var: str, cast: Any = None, default: Any = environ.Env.NOTSET, parse_default: bool = False
    ) -> Any:
        self.names.add(var)
        try:
            return super().get_value(var, cast, default, parse_default)
        except OSError as error:
            self.problems.append(f"{var}_FILE cannot be read: {error.strerror}.")
        except ImproperlyConfigured as error:
            self.problems.append(f"{error}.")
        except ValueError:
            wanted = "a whole number" if cast is int else "of another form"
            self.problems.append(f"{var} is {_shown(var, os.environ.get(var, ''))!r}; it must be {wanted}.")
        return default

    def db_url(self, var: str = "DATABASE_URL", default: Any = environ.Env.NOTSET, engine: Any = None) -> Any:
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                found = super().db_url(var, default, engine)
            if found["ENGINE"]:
                return found
        except (ImproperlyConfigured, ValueError, KeyError, AttributeError):
            pass
        self.problems.append(f"{var} is not an address such as postgres://user:password@host:5432/name.")
        return self.db_url_config(default)

    def collect(self, parse: Callable[..., Value], *args: Any, otherwise: Value, **kwargs: Any) -> Value:
        """Call something that may refuse its input; note why, and go on with another value."""
        try:
            return parse(*args, **kwargs)
        except ImproperlyConfigured as error:
            self.problems += str(error).splitlines()
            return otherwise

    def stop_on_problems(self) -> None:
        """Say everything that is wrong at once."""
        if self.problems:
            raise ImproperlyConfigured("\n".join(self.problems))

    def shown(self) -> dict[str, str]:
        """Every variable that was asked for, and what was given for it; secrets are masked."""
        return {name: self._shown(name) for name in sorted(self.names)}

    def _shown(self, name: str) -> str:
        if os.environ.get(f"{name}_FILE"):
            return "(from a file)"
        given = os.environ.get(name)
        return "(default)" if given is None else _shown(name, given)


def _shown(name: str, value: str) -> str:
    """A value as it may be printed."""
    if any(word in name for word in SECRET_WORDS):
        return MASK if value else ""
    try:
        password = urlsplit(value).password
    except ValueError:
        return MASK
    return value.replace(f":{password}@", f":{MASK}@") if password else value
