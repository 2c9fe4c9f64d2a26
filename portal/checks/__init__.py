"""Questions about the portal's health, each with an answer and a way out."""

from portal.checks.base import Broken, Check, Question, answer_all
from portal.checks.clouds import CLOUDS
from portal.checks.machine import MACHINE
from portal.checks.services import SERVICES

__all__ = ["CLOUDS", "MACHINE", "SERVICES", "Broken", "Check", "Question", "answer_all"]
