"""The portal's settings with tables made straight from the models, which is fast."""

from portal.settings import *  # noqa: F403
from portal.settings import INSTALLED_APPS

MIGRATION_MODULES = {app.rsplit(".", 1)[-1]: None for app in [*INSTALLED_APPS, "admin"]}
