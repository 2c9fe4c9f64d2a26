"""Django as its documentation serves it, for comparison."""

from django.core.asgi import get_asgi_application

application = get_asgi_application()
