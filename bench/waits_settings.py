"""The portal's settings with a plan of a single step that only waits."""

from bench.settings import *  # noqa: F403
from portal.settings import INSTALLED_APPS as SHIPPED

INSTALLED_APPS = [*SHIPPED, "bench.waits_app.WaitsConfig"]
