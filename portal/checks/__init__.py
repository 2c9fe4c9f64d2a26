"""Questions about the portal's health, each with an answer and a way out."""

from portal.checks.base import Broken, Check, Question, answer_all
from portal.checks.machine import MACHINE
from portal.checks.services import SERVICES

__all__ = ["MACHINE", "SERVICES", "Broken", "Check", "Question", "answer_all"]
