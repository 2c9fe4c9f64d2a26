"""How pages show money and what was done."""

from decimal import Decimal

from django import template

register = template.Library()

# What an event of the audit is called on the page of its instance.
WORDS = {
    "instance.created": "Added",
    "instance.register": "Registered",
    "instance.create": "Planned",
    "instance.create_now": "Asked for",
    "instance.update": "Settings changed",
    "instance.start": "Started",
    "instance.stop": "Stopped",
    "instance.reboot": "Rebooted",
    "instance.terminate": "Terminated",
    "instance.drain": "Drained",
    "instance.undrain": "Takes deployments again",
    "instance.validate": "Validated",
    "instance.facts_changed": "Something installed there changed",
    "instance.host_key_confirm": "Fingerprint confirmed",
    "instance.host_key_propose": "Another host key proposed",
    "instance.host_key_change": "Host key changed",
    "instance.host_key_refuse": "Proposed host key refused",
    "instance.host_key_renewed": "Host key renewed",
    "instance.key_replace": "Key replaced",
    "orphan.adopt": "Taken over from AWS",
}


@register.filter
def dollars(amount: Decimal | None) -> str:
    """$0.0104, $1.25, $33.60: small amounts keep the digits that matter."""
    if amount is None:
        return "–"
    digits = 4 if abs(amount) < 1 else 2
    return f"${amount:,.{digits}f}"


@register.filter
def deed(action: str) -> str:
    """An event in words."""
    return WORDS.get(action, action.removeprefix("instance.").replace("_", " ").capitalize())
