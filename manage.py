#!/usr/bin/env python
"""Django's command line, with the portal's settings."""

import os
import sys

if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "portal.settings")
    from django.conf import settings
    from django.core.exceptions import ImproperlyConfigured
    from django.core.management import execute_from_command_line

    try:
        assert settings.BASE_DIR
    except ImproperlyConfigured as error:
        sys.exit(f"The portal cannot start with these settings:\n{error}")
    execute_from_command_line(sys.argv)
