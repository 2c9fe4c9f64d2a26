"""What a check of the portal is: a question with one answer, a way out, and its own exit code."""

import logging
from collections.abc import Callable
from dataclasses import dataclass

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Check:
    """The answer: how it is, and what to do when it is broken."""

    name: str
    ok: bool
    detail: str
    fix: str = ""
    # What `manage.py doctor` exits with when this is the first thing that is broken.
    code: int = 0


class Broken(Exception):
    """Raised by a question whose answer is bad: what is wrong, and what to do."""

    def __init__(self, detail: str, fix: str) -> None:
        super().__init__(detail)
        self.detail = detail
        self.fix = fix


@dataclass(frozen=True)
class Question:
    """A named question; it returns a sentence, or raises Broken."""

    name: str
    code: int
    ask: Callable[[], str]
    # Without these it makes no sense to ask.
    needs: tuple[str, ...] = ()

    def answer(self) -> Check:
        try:
            return Check(self.name, True, self.ask(), code=self.code)
        except Broken as broken:
            return Check(self.name, False, broken.detail, broken.fix, self.code)
        except Exception as error:
            # A diagnosis must go on; what a library said may name hosts or users, so it goes to the log only.
            logger.warning("The check %s could not be made: %s", self.name, error)
            sentence = f"It could not be checked: {type(error).__name__}."
            return Check(self.name, False, sentence, "Read the portal's log for the reason.", self.code)


def question(name: str, *, code: int, needs: tuple[str, ...] = ()) -> Callable[[Callable[[], str]], Question]:
    """Make a Question of a function."""

    def decorate(ask: Callable[[], str]) -> Question:
        return Question(name, code, ask, needs)

    return decorate


def answer_all(questions: list[Question]) -> list[Check]:
    """Ask in this order; what needs something that is broken is reported as not checked."""
    checks: dict[str, Check] = {}
    for each in questions:
        missing = [name for name in each.needs if name in checks and not checks[name].ok]
        if missing:
            sentence = f"Not checked, because of: {', '.join(missing)}."
            checks[each.name] = Check(each.name, False, sentence, "Repair that first.", each.code)
        else:
            checks[each.name] = each.answer()
    return list(checks.values())
