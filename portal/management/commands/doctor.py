"""`manage.py doctor`: what is broken, what to do, and the settings in effect."""

import json
import sys
from dataclasses import asdict
from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from portal import doctor
from portal.checks import Check


class Command(BaseCommand):
    help = "Check everything the portal needs. Exits with 0, or with the code of the first broken thing."
    # Broken settings or tables are what it is here to report.
    requires_system_checks: list[str] = []  # noqa: RUF012

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--json", action="store_true", help="Print one JSON object.")

    def handle(self, *args: Any, **options: Any) -> None:
        checks = doctor.run()
        if options["json"]:
            content = {"checks": [asdict(check) for check in checks], "settings": doctor.effective_settings()}
            self.stdout.write(json.dumps(content, indent=2))
        else:
            self._print(checks)
        sys.exit(doctor.exit_code(checks))

    def _print(self, checks: list[Check]) -> None:
        width = max(len(check.name) for check in checks)
        for check in checks:
            mark = self.style.SUCCESS("ok    ") if check.ok else self.style.ERROR("BROKEN")
            self.stdout.write(f"{mark}  {check.name.ljust(width)}  {check.detail}")
            if not check.ok:
                self.stdout.write(f"{' ' * (width + 10)}→ {check.fix} (exit code {check.code})")
        self.stdout.write("\nSettings from the environment (secrets are masked):")
        for name, value in doctor.effective_settings().items():
            self.stdout.write(f"  {name}={value}")
