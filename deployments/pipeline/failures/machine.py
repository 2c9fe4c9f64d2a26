"""What goes wrong with a machine and the way to it."""

from deployments.pipeline.failures.base import Explanation

FAILURES: dict[str, Explanation] = {
    "disk_full": Explanation(
        "The disk is full",
        "There was no space left on the machine.",
        "Remove what is not needed (old images first), or give it a larger disk; then retry.",
    ),
    "host_unreachable": Explanation(
        "The machine did not answer",
        "The portal could not reach the machine during the whole time of this step.",
        "Check that it runs, then retry.",
    ),
    "job_lost": Explanation(
        "A command was ended from outside",
        "The machine restarted or somebody ended the command while it ran.",
        "Retry.",
    ),
    "command_failed": Explanation(
        "A command failed", "A command on the machine ended with an error.", "Read the log of this step."
    ),
    "ssh_auth_failed": Explanation(
        "The machine refused the SSH key",
        "It answers, but does not let this user in with this key.",
        "Check the user name and the key of the instance, and that its public half is in authorized_keys; then retry.",
    ),
    "ssh_host_key_changed": Explanation(
        "The machine's identity has changed",
        "It shows another SSH host key than the one confirmed: it was rebuilt, or somebody stands in between. Nothing was sent to it.",
        "Stop. Compare the fingerprint with the one on the machine's console; confirm the new one only if they are the same.",
    ),
    "ssh_host_key_unknown": Explanation(
        "The machine's identity was never confirmed",
        "The portal has no SSH host key for this machine, and trusts none unseen.",
        "Open the instance, compare the fingerprint with the one on its console, and confirm it; then retry.",
    ),
    "sudo_missing": Explanation(
        "The user may not become root",
        "The SSH user cannot run sudo without a password, which installing and starting things needs.",
        "Allow it passwordless sudo on the machine, or connect as root; then retry.",
    ),
    "packages_locked": Explanation(
        "Another program is installing packages",
        "The machine's package manager was locked the whole time, usually by its own updates or its first start.",
        "Wait until that has ended, then retry.",
    ),
    "packages_failed": Explanation(
        "A package could not be installed",
        "The machine's package manager ended with an error; the last lines of the log say which.",
        "Check that the machine reaches its package sources and that they are healthy; then retry.",
    ),
    "unsupported_system": Explanation(
        "This operating system is not supported",
        "The portal can set up Debian, Ubuntu and Amazon Linux with systemd.",
        "Use a machine with one of these, or install Docker, NGINX and git on it yourself; then retry.",
    ),
}
