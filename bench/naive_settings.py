"""The portal's settings with the layer that tutorials use."""

from bench.settings import *  # noqa: F403
from bench.settings import LOGGING, REDIS_URL

CHANNEL_LAYERS = {
    "default": {"BACKEND": "channels_redis.core.RedisChannelLayer", "CONFIG": {"hosts": [REDIS_URL]}}
}
# It logs every viewer that it refuses with a traceback.
LOGGING["loggers"]["daphne"] = {"level": "CRITICAL"}
