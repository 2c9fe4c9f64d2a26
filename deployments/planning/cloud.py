"""What AWS says of a machine that is yet to be made: looking and dry runs only, within seconds."""

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import TimeoutError as TooSlow
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from django.conf import settings

from deployments.pipeline.failures import explain
from deployments.planning.shapes import Finding, Item
from instances import launching, machines
from instances.actions.making import ssh_exposure
from instances.clouds.base import CloudError, Group, Machines, Rule
from instances.clouds.fingerprints import same_key
from instances.clouds.of import machines_in
from instances.hosts import keys
from instances.models import Instance

T = TypeVar("T")
SECONDS = 10.0
EXPOSURE_FIX = "It is a setting of the portal: change it in its environment, then restart the portal."


@dataclass
class Look:
    """What was found; one answer after the other, so that what AWS refuses does not hide the rest."""

    created: list[Item] = field(default_factory=list)
    changed: list[Item] = field(default_factory=list)
    kept: list[Item] = field(default_factory=list)
    blockers: list[Finding] = field(default_factory=list)
    warnings: list[Finding] = field(default_factory=list)
    permissions: list[str] = field(default_factory=list)


def look(instance: Instance, ports: tuple[int, ...], *, name: str) -> Look:
    """Ask AWS about everything that the machine needs."""
    rules = machines.wanted_rules(instance.region, ports)
    pool = ThreadPoolExecutor(1)
    answer: Future[Look] = pool.submit(_ask, instance, name, rules)
    pool.shutdown(wait=False)
    try:
        return answer.result(timeout=SECONDS)
    except TooSlow:
        late = Look()
        message = (
            f"AWS did not answer within {SECONDS:g} s; image, key pair and security group are unchecked."
        )
        late.warnings.append(Finding("aws_unreachable", message, explain("aws_unreachable").fix))
        return late


def _ask(instance: Instance, label: str, rules: list[Rule]) -> Look:
    found = Look()
    cloud = machines_in(instance.region)
    if not instance.aws_id:
        image = _asked(found, lambda: launching.wanted_image(instance, cloud))
        if image is not None:
            found.kept.append(Item("ami", image.id, f"{image.name}, what the machine starts from"))
        _asked(found, lambda: launching.possible_subnets(instance, cloud))
        _asked(found, lambda: _key_pair(found, instance, label, cloud))
        _asked(found, lambda: _permissions(found, cloud))
    groups = _asked(found, cloud.groups)
    if groups is not None:
        name = machines.group_name()
        _group(found, name, next((group for group in groups if group.name == name), None), rules)
    if exposure := ssh_exposure():
        found.warnings.append(Finding("ssh_exposed", exposure, EXPOSURE_FIX))
    return found


def _asked(found: Look, question: Callable[[], T]) -> T | None:
    try:
        return question()
    except CloudError as error:
        finding = Finding(error.code, error.detail, explain(error.code).fix)
        # What may be gone at the next try is no reason to hold anything up.
        findings = found.warnings if error.again else found.blockers
        if finding not in findings:
            findings.append(finding)
        return None


def _key_pair(found: Look, instance: Instance, label: str, cloud: Machines) -> None:
    """A pair of somebody else has to be there and to be ours; one of our own is made with the machine."""
    name = settings.AWS_KEY_PAIR_NAME
    if not name:
        detail = "a key of its own; its private half stays with the portal, sealed"
        found.created.append(Item("key_pair", f"of {label}", detail))
        return
    pair = cloud.key_pair(name)
    if pair is None:
        raise CloudError("aws_key_pair_not_found", f"There is no key pair {name} in {instance.region}.")
    if settings.AWS_KEY_FILE:
        own = keys.check_private_key(Path(settings.AWS_KEY_FILE).read_text())
        if not same_key(pair, own.public, own.private.reveal()):
            raise CloudError(
                "aws_key_pair_mismatch",
                f"The key pair {name} in {instance.region} has the fingerprint {pair.fingerprint}, which is not "
                "that of the key in PORTAL_AWS_KEY_FILE.",
            )
    found.kept.append(Item("key_pair", name))


def _permissions(found: Look, cloud: Machines) -> None:
    for check in cloud.validate():
        if check.name.startswith("ec2:"):
            found.permissions.append(check.name)
        if not check.ok:
            message = f"{check.name}: {check.message}"
            found.blockers.append(Finding("aws_unauthorized", message, explain("aws_unauthorized").fix))


def _group(found: Look, name: str, group: Group | None, rules: list[Rule]) -> None:
    if group is None:
        detail = ", ".join(f"{rule.port} from {rule.cidr}" for rule in rules)
        found.created.append(Item("security_group", name, f"lets in {detail}"))
        return
    opened = sorted(set(rules) - group.rules)
    closed = sorted(group.rules - set(rules))
    words = [
        f"{word} {rule.port} from {rule.cidr}"
        for word, some in (("opens", opened), ("closes", closed))
        for rule in some
    ]
    if words:
        found.changed.append(Item("security_group", name, ", ".join(words)))
    else:
        found.kept.append(Item("security_group", name, "its rules stay"))
