"""What pages ask for. What may stand in a field is decided by the models and the actions, not here."""

from deployments.forms.application import SettingsForm
from deployments.forms.deploy import DeployForm, read_variables
from deployments.forms.environment import EnvironmentForm, PlaceForm

__all__ = ["DeployForm", "EnvironmentForm", "PlaceForm", "SettingsForm", "read_variables"]
