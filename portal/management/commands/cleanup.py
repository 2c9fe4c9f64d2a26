"""`manage.py cleanup`: list what the portal has made, and remove it when its name is typed."""

import json
import time
from typing import Any

from django.conf import settings
from django.core.management.base import CommandParser

from deployments.pipeline.commands import BUILD_LABEL
from instances import actions, fleet, queries, sweep
from instances.hosts.base import HostError
from instances.hosts.of import host_of
from instances.models import Instance, Orphan
from instances.states import Kind, OrphanKind, Status, Wanted
from portal.core.errors import Invalid
from portal.core.models import User
from portal.management.terminal import FAILED, TerminalCommand, acting_user, add_user_option

PAUSE_SECONDS = 2.0
# Only images that no container uses and no tag names, and of these only ours: releases that are kept have a tag.
PRUNE = ["docker", "image", "prune", "--force", "--filter", f"label={BUILD_LABEL}"]


class Command(TerminalCommand):
    help = (
        "List what the portal has made at AWS and what is there without belonging to anything. "
        "Nothing is removed without --yes-delete."
    )
    next_command = "manage.py cleanup --help"

    def add_arguments(self, parser: CommandParser) -> None:
        what = parser.add_mutually_exclusive_group()
        what.add_argument("--instance", default="", help="Terminate this machine.")
        what.add_argument("--orphans", action="store_true", help="Delete what belongs to nothing.")
        what.add_argument(
            "--docker", action="store_true", help="Remove unused images of the portal on all hosts."
        )
        what.add_argument("--all", action="store_true", help="Terminate every machine and delete the rest.")
        parser.add_argument(
            "--dry-run", action="store_true", help="Only say what would be done; the default."
        )
        parser.add_argument(
            "--yes-delete", default="", metavar="NAME",
            help="Do it. NAME is that of the machine; for the others, the installation's (shown by the list).",
        )  # fmt: skip
        parser.add_argument(
            "--wait", type=int, default=0, metavar="SECONDS", help="Do the work here until nothing is left."
        )
        parser.add_argument(
            "--json", action="store_true", help="Print the list as JSON, one object per line."
        )
        add_user_option(parser)

    def work(self, **options: Any) -> int:
        user = acting_user(options["user"])
        sweep.sweep()
        if not (options["instance"] or options["orphans"] or options["docker"] or options["all"]):
            return self._list(as_json=options["json"])
        if options["dry_run"] or not options["yes_delete"]:
            return self._say(options)
        self._check_name(options)
        if options["docker"]:
            return self._prune()
        self._remove(user, options)
        return self._wait(user, options) if options["wait"] else 0

    def _list(self, *, as_json: bool) -> int:
        rows = [_machine_line(instance) for instance in _machines()] + [
            _orphan_line(row) for row in _orphans()
        ]
        for row in rows:
            self.stdout.write(json.dumps(row) if as_json else "  ".join(str(value) for value in row.values()))
        self.note(f"{len(rows)} things of the installation {settings.INSTALLATION}. Nothing was changed.")
        return 0

    def _say(self, options: dict[str, Any]) -> int:
        if options["docker"]:
            names = [host.name for host in _hosts()]
        else:
            machines = [row.name for row in _machines() if options["all"] or row.name == options["instance"]]
            orphans = [row.identifier for row in _orphans()] if options["all"] or options["orphans"] else []
            names = machines + orphans
        for name in names:
            self.stdout.write(f"would clean {name}" if options["docker"] else f"would delete {name}")
        wanted = options["instance"] or settings.INSTALLATION
        self.note(f"Nothing was changed. To do it: --yes-delete {wanted}")
        return 0

    def _check_name(self, options: dict[str, Any]) -> None:
        wanted = options["instance"] or settings.INSTALLATION
        if options["yes_delete"] != wanted:
            raise Invalid({"--yes-delete": f"Type {wanted}. Nothing was done."})

    def _remove(self, user: User, options: dict[str, Any]) -> None:
        if options["instance"]:
            instance = queries.get_instance(user, options["instance"])
            actions.terminate(instance=instance, by=user, confirm=instance.name)
            self.stdout.write(f"terminating {instance.name}")
            return
        if options["all"]:
            for instance in _machines():
                if instance.wanted != Wanted.TERMINATED:
                    actions.terminate(instance=instance, by=user, confirm=instance.name)
                    self.stdout.write(f"terminating {instance.name}")
        self._delete_orphans(user)

    def _delete_orphans(self, user: User) -> None:
        for orphan in _orphans():
            if orphan.delete_asked_by_id is None:
                actions.delete_orphan(orphan=orphan, by=user, confirm=orphan.identifier)
                self.stdout.write(f"deleting {orphan.identifier}")

    def _wait(self, user: User, options: dict[str, Any]) -> int:
        """Take the fleet's turns here, so that no worker is needed."""
        until = time.monotonic() + options["wait"]
        while time.monotonic() < until:
            while fleet.take_turn() and time.monotonic() < until:
                pass
            sweep.sweep()
            if not options["instance"]:
                # A machine that has ended leaves its group and its key pair behind.
                self._delete_orphans(user)
            if not _left(options):
                self.note("Nothing is left.")
                return 0
            time.sleep(PAUSE_SECONDS)
        self.note(f"Still there after {options['wait']} seconds: {', '.join(_left(options))}.")
        return FAILED

    def _prune(self) -> int:
        failed = 0
        for instance in _hosts():
            try:
                result = host_of(instance).call(PRUNE, timeout=60)
            except HostError as error:
                result, failed = None, FAILED
                self.note(f"{instance.name}: {error}")
            if result is not None:
                last = (result.out.strip() or result.err.strip() or "nothing to do").splitlines()[-1]
                self.stdout.write(f"{instance.name}: {last}")
                failed = failed or (0 if result.ok else FAILED)
        return failed


def _machines() -> list[Instance]:
    """The machines of AWS that have not ended."""
    rows = Instance.objects.filter(kind=Kind.EC2, deleted_at__isnull=True).select_related("team")
    return list(rows.exclude(status=Status.TERMINATED))


def _orphans() -> list[Orphan]:
    """What AWS has and the tables do not."""
    return list(Orphan.objects.exclude(kind__in=[OrphanKind.ROW, OrphanKind.CONTAINER]))


def _hosts() -> list[Instance]:
    return list(
        Instance.objects.filter(status=Status.RUNNING, deleted_at__isnull=True).select_related("jump")
    )


def _left(options: dict[str, Any]) -> list[str]:
    if options["instance"]:
        return [row.name for row in _machines() if row.name == options["instance"]]
    machines = [row.name for row in _machines()] if options["all"] else []
    return machines + [row.identifier for row in _orphans()]


def _machine_line(instance: Instance) -> dict[str, str]:
    return {
        "kind": "machine", "id": instance.aws_id or "not-made", "name": instance.name, "state": instance.status,
        "region": instance.region,
    }  # fmt: skip


def _orphan_line(orphan: Orphan) -> dict[str, str]:
    return {
        "kind": str(orphan.kind), "id": orphan.identifier, "name": orphan.name or "-", "state": "orphan",
        "region": orphan.region,
    }  # fmt: skip
