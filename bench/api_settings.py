"""The portal's settings without the limit of requests per minute, which a measurement would reach."""

from bench.settings import *  # noqa: F403
from bench.settings import REST_FRAMEWORK

REST_FRAMEWORK = {**REST_FRAMEWORK, "DEFAULT_THROTTLE_RATES": {"api": "100000000/min"}}
