"""The way to a machine, and what its own package manager says."""

from deployments.diagnosis.base import Button, Case, Diagnosis, Rule, clipped, saying
from deployments.diagnosis.codes import PACKAGES, SSH

ADDRESS_MATTERS = frozenset({"host_unreachable", "ssh_host_key_changed", "ssh_auth_failed", "unhealthy", "died_after_switch"})  # fmt: skip
# Our own words may be in the log of the step; those of others only count in what the step itself said.
OUR_SILENCE = r"did not answer on port \d+|cannot be reached on port \d+"
NO_ANSWER = (
    rf"{OUR_SILENCE}|[Tt]imed out|No route to host|[Nn]etwork is unreachable|Unable to connect to port \d+"
)
OUR_REFUSAL = r"Nothing listens on port \d+ of "
REFUSED = rf"{OUR_REFUSAL}|Connection refused"
UNREACHED = SSH - {"ssh_auth_failed", "ssh_host_key_changed", "ssh_host_key_unknown"}
RETRY = Button("Retry", "retry")


def _moved(case: Case) -> Diagnosis | None:
    before, now = str(case.facts.get("address_before") or ""), str(case.facts.get("address") or "")
    if case.facts.get("instance_kind") != "ec2" or not before or not now or before == now:
        return None
    return Diagnosis(
        rule=33,
        title="The machine has a new public address",
        meaning=f"It was asked at {before}, and is now at {now}: AWS gives another one at each stop and start.",
        fix="Retry: the portal uses the new address. An elastic IP keeps the address the same.",
        evidence=f"{before} → {now}",
        button=RETRY,
    )


def _closed(case: Case) -> Diagnosis | None:
    match = case.search(NO_ANSWER, ("detail",)) or case.search(OUR_SILENCE, ("log_tail",))
    if match is None:
        return None
    cloud = case.facts.get("instance_kind") == "ec2"
    if case.facts.get("instance_kind") == "local":
        return None
    return Diagnosis(
        rule=6,
        title="Nothing comes through to the machine's SSH port",
        meaning="Packets get no answer at all: a firewall drops them, or the machine has no address that the portal can reach."
        if not cloud
        else "The machine may run, but its security group does not let the portal in on port 22, it has no public address, or its subnet has no way out.",
        fix="Put the security group right, then retry. If it stays, see that its subnet is public."
        if cloud
        else "See that the machine is on, and that its firewall lets the portal's address in on the SSH port. Then retry.",
        evidence=clipped(match.string),
        button=Button("Put the security group right", "reconcile_group") if cloud else Button("Look at the machine", "restart_instance"),
    )  # fmt: skip


RULES: tuple[Rule, ...] = (
    Rule(33, ADDRESS_MATTERS, _moved),
    saying(
        7, {"ssh_host_key_changed"}, r"[Hh]ost key|fingerprint|SHA256:",
        title="The machine is not the one that was confirmed",
        meaning="Its SSH host key is another one: it was built anew, or somebody stands in between. The portal sent nothing to it.",
        fix="Do not go on. Compare the fingerprint with the one on the machine's own console; confirm the new key only if they are the same.",
        button=Button("Look at the machine", "restart_instance"), alone=True, places=("detail",),
    ),
    saying(
        5, {"ssh_auth_failed"}, r"Authentication failed|Permission denied|authentication type|not a valid .*private key",
        title="The machine does not let this user in with this key",
        meaning="It answers, so address and port are right; the user name or the key is not.",
        fix="The user is \u201cubuntu\u201d on Ubuntu, \u201cec2-user\u201d on Amazon Linux, \u201cadmin\u201d on Debian images. See that the public key stands in that user's ~/.ssh/authorized_keys. Then retry.",
        button=Button("Look at the machine", "restart_instance"), places=("detail",), alone=True,
    ),
    saying(
        6, UNREACHED, REFUSED,
        title="The machine is there, but its SSH server is not",
        meaning="It refused the connection: sshd does not run yet, or listens on another port.",
        fix="Wait until it has started, see that sshd runs and on which port; then retry.",
        button=RETRY, places=("detail",),
    ),
    saying(
        6, UNREACHED, OUR_REFUSAL,
        title="The machine is there, but its SSH server is not",
        meaning="It refused the connection: sshd does not run yet, or listens on another port.",
        fix="Wait until it has started, see that sshd runs and on which port; then retry.",
        button=RETRY, places=("log_tail",),
    ),
    Rule(6, frozenset(UNREACHED), _closed),
    saying(
        8, PACKAGES, r"Could not get lock (?P<file>/\S+?)\.? |is held by process \d+ \((?P<holder>[^)]+)\)|Unable to acquire the dpkg frontend lock|Unable to lock directory|Waiting for process with pid \d+ to finish|another copy is currently running",
        title="Another program is installing packages on the machine",
        meaning="Its own updates, or its first start, hold the lock of the package manager. That ends by itself.",
        fix="Wait some minutes, then retry.",
        button=RETRY,
    ),
    saying(
        8, {"packages_locked"}, r"lock",
        title="Another program is installing packages on the machine",
        meaning="Its own updates, or its first start, hold the lock of the package manager. That ends by itself.",
        fix="Wait some minutes, then retry.",
        button=RETRY, places=("detail",), alone=True,
    ),
)  # fmt: skip
