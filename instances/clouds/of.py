"""Which cloud a region's machines come from; one place, so that tests can put their own in."""

from functools import cache

from instances.clouds.base import Machines
from instances.clouds.ec2 import EC2Machines


@cache
def machines_in(region: str) -> Machines:
    """The machines of a region of AWS."""
    return EC2Machines(region)
