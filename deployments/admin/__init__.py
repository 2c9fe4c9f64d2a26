"""Applications, environments, releases and deployments as staff see them.

State is never edited; work is started by actions and buttons, which go through the same doors as the pages.
"""

from deployments.admin import applications, deployments, environments

__all__ = ["applications", "deployments", "environments"]
