"""What commands share: exit codes, who acts, data to stdout and everything else to stderr."""

import os
import sys
from typing import Any

from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError, CommandParser

from portal.core import audit
from portal.core.errors import ActionDenied, NotFound
from portal.core.models import User

FAILED, USAGE, NOT_FOUND, REFUSED, INTERRUPTED = 1, 2, 3, 4, 130


class TerminalCommand(BaseCommand):
    """A command that carries out actions for a person, and says by its exit code how it went."""

    # The pages and forms that checks load are not needed here, and a CI job waits for every second.
    requires_system_checks: list[str] = []  # noqa: RUF012
    # What to try when something was not there or was refused.
    next_command = "manage.py help"

    def handle(self, *args: Any, **options: Any) -> None:
        code = self._run(options)
        if code:
            sys.exit(code)

    def work(self, **options: Any) -> int:
        """Do it, and return the exit code."""
        raise NotImplementedError

    def note(self, text: str) -> None:
        """Say something to the person that is no data."""
        self.stderr.write(text)
        self.stderr.flush()

    def _run(self, options: dict[str, Any]) -> int:
        try:
            with audit.origin(surface="command"):
                return self.work(**options)
        except NotFound as error:
            raise self._failure(str(error) or "There is no such thing.", NOT_FOUND) from error
        except ActionDenied as error:
            raise self._failure(error.message, REFUSED) from error
        except ValidationError as error:
            raise self._failure(_sentences(error), USAGE) from error
        except KeyboardInterrupt:
            self.note(f"Interrupted. {self.after_interrupt()}".strip())
            return INTERRUPTED
        except BrokenPipeError:
            # Who read our output has gone (`| head`); let Python not complain at its end.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            return 0

    def after_interrupt(self) -> str:
        """What goes on without us, and how to look at it again."""
        return ""

    def _failure(self, text: str, code: int) -> CommandError:
        return CommandError(f"{text}\nTry: {self.next_command}", returncode=code)


def add_user_option(parser: CommandParser) -> None:
    parser.add_argument("--user", default="", help="Who acts. Default: the first portal admin.")


def acting_user(name: str) -> User:
    """The person of that name; without a name the first portal admin."""
    people = User.objects.filter(is_active=True)
    if name:
        found = people.filter(username=name).first()
    else:
        found = people.filter(is_superuser=True).order_by("id").first()
    if found is None:
        raise NotFound(f"There is no active user {name}." if name else "There is no portal admin yet.")
    return found


def wants_colour() -> bool:
    return sys.stdout.isatty() and "NO_COLOR" not in os.environ


def _sentences(error: ValidationError) -> str:
    if not hasattr(error, "error_dict"):
        return " ".join(error.messages)
    return "\n".join(f"{field}: {' '.join(texts)}" for field, texts in error.message_dict.items())
