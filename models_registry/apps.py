from django.apps import AppConfig


class ModelsRegistryConfig(AppConfig):
    """Registered models and their versions; its tables and pages come with the registry itself."""

    name = "models_registry"
    verbose_name = "Models"
