"""Which ports of an instance are spoken for."""

from collections.abc import Callable, Iterable
from uuid import UUID

from django.db import IntegrityError, transaction

from instances.models import Instance, PortReservation


class NoFreePort(Exception):
    """Every port of the range is reserved or in use."""


def reserve(
    instance: Instance, *, holder: UUID, candidates: Iterable[int], usable: Callable[[int], bool]
) -> int:
    """Return the holder's port on this instance; choose and store the first free one when it has none."""
    held = PortReservation.objects.filter(instance=instance, holder=holder).first()
    if held:
        return held.number
    taken = set(PortReservation.objects.filter(instance=instance).values_list("number", flat=True))
    for number in candidates:
        if number in taken or not usable(number):
            continue
        try:
            with transaction.atomic():
                PortReservation.objects.create(instance=instance, holder=holder, number=number)
        except IntegrityError:
            # Somebody chose the same port, or reserved one for the same holder, a moment ago.
            return reserve(instance, holder=holder, candidates=candidates, usable=usable)
        return number
    raise NoFreePort


def release(instance: Instance, *, holder: UUID) -> None:
    """Give the holder's port back."""
    PortReservation.objects.filter(instance=instance, holder=holder).delete()


def holder_of(instance: Instance, number: int) -> UUID | None:
    """Who has reserved this port."""
    reservation = PortReservation.objects.filter(instance=instance, number=number).first()
    return reservation.holder if reservation else None
