"""All settings, by subject. Each variable is read once, with a type; `.env.example` lists every one."""

import os
import sys
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from portal import bootstrap
from portal.environment import Reader

BASE_DIR = Path(__file__).resolve().parent.parent
VERSION = "0.1.0"

env = Reader()
env.read_env(BASE_DIR / ".env", overwrite=False)

TESTING = "pytest" in sys.modules

# --- where things are kept ------------------------------------------------------------------------
DATA_DIR = Path(env.str("PORTAL_DATA_DIR", default="") or BASE_DIR / "var").resolve()
if TESTING and "PORTAL_DATA_DIR" not in os.environ:
    # Tests never touch the data of the checkout.
    DATA_DIR = bootstrap.passing_folder()
bootstrap.make_data_dir(DATA_DIR)

# --- who we are -----------------------------------------------------------------------------------
DEBUG = env.collect(bootstrap.strict_bool, env.str("DEBUG", default="0"), name="DEBUG", otherwise=False)
SECRET_KEY: str = env.str("SECRET_KEY", default="") or bootstrap.kept_key(DATA_DIR / "secret_key")
SECRET_KEY_FALLBACKS = env.list("SECRET_KEY_FALLBACKS", default=[])
FIELD_KEYS: list[str] = env.list("PORTAL_FIELD_KEYS", default=[]) or [
    "1:" + bootstrap.kept_key(DATA_DIR / "field_key")
]
HOST: str = env.str("HOST", default="127.0.0.1")
PORT: int = env.int("PORT", default=8000)
PUBLIC_URL: str = env.str("PORTAL_PUBLIC_URL", default="").rstrip("/")
ALLOWED_HOSTS = env.list("ALLOWED_HOSTS", default=["localhost", "127.0.0.1", "[::1]"])
if HOST not in ("0.0.0.0", "::", "", *ALLOWED_HOSTS):  # noqa: S104
    ALLOWED_HOSTS.append(HOST)
CSRF_TRUSTED_ORIGINS = env.list("CSRF_TRUSTED_ORIGINS", default=[])
env.collect(
    bootstrap.refuse_unsafe,
    debug=DEBUG, host=HOST, allowed_hosts=ALLOWED_HOSTS, secret_key=SECRET_KEY, otherwise=None,
)  # fmt: skip

# --- applications ---------------------------------------------------------------------------------
INSTALLED_APPS = [
    "portal.core",
    "instances",
    "deployments",
    "models_registry",
    "portal",
    "portal.admin.PortalAdminConfig",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "django.contrib.humanize",
    "channels",
    "django_q",
    "django_htmx",
    "django_filters",
    "rest_framework",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "axes",
    "csp",
]

MIDDLEWARE = [
    "portal.middleware.RequestContextMiddleware",
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "csp.middleware.CSPMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
    "portal.middleware.ActionErrorMiddleware",
    "axes.middleware.AxesMiddleware",
]

ROOT_URLCONF = "portal.urls"
ASGI_APPLICATION = "portal.asgi.application"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "portal.context.shell",
            ],
        },
    }
]

# --- database, cache, channels, queue -------------------------------------------------------------
DATABASES = {"default": env.db_url("DATABASE_URL", default=f"sqlite:///{DATA_DIR / 'portal.sqlite3'}")}
if DATABASES["default"]["ENGINE"].endswith("sqlite3"):
    bootstrap.make_private(Path(DATABASES["default"]["NAME"]))
    # In memory, threads would share one cache and lock each other out; a file behaves as it will.
    DATABASES["default"]["TEST"] = {"NAME": str(DATA_DIR / "test.sqlite3")}
    # A deferred transaction that reads and then writes fails at once with "database is locked";
    # IMMEDIATE waits its turn instead.
    DATABASES["default"]["OPTIONS"] = {
        "timeout": 20,
        "transaction_mode": "IMMEDIATE",
        "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL; PRAGMA busy_timeout=20000;",
    }
else:
    # A server that vanished without a word is noticed within half a minute, not within hours.
    DATABASES["default"].setdefault("OPTIONS", {}).update(
        {"connect_timeout": 5, "tcp_user_timeout": 20000, "keepalives_idle": 10, "keepalives_interval": 5}
    )
    DATABASES["default"]["CONN_HEALTH_CHECKS"] = True
DATABASES["default"]["CONN_MAX_AGE"] = 60
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

REDIS_URL: str = env.str("REDIS_URL", default="")
CHANNEL_LAYERS: dict[str, Any] = {"default": {"BACKEND": "channels.layers.InMemoryChannelLayer"}}
if REDIS_URL:
    CHANNEL_LAYERS = {
        "default": {
            "BACKEND": "channels_redis.pubsub.RedisPubSubChannelLayer",
            "CONFIG": {"hosts": [REDIS_URL], "prefix": "portal"},
        }
    }
CACHES: dict[str, Any] = {
    "default": {"BACKEND": "django.core.cache.backends.db.DatabaseCache", "LOCATION": "portal_cache"}
}
if REDIS_URL:
    CACHES = {"default": {"BACKEND": "django.core.cache.backends.redis.RedisCache", "LOCATION": REDIS_URL}}
if TESTING:
    CACHES = {"default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}}

WORKERS: int = env.int("PORTAL_WORKERS", default=2)
# How often a canary is sent through the queue, and after how long without one it is started anew.
CANARY_SECONDS: int = env.int("PORTAL_CANARY_SECONDS", default=10)
CANARY_LIMIT_SECONDS: int = env.int("PORTAL_CANARY_LIMIT_SECONDS", default=30)
# How often the worker looks for due work that no message announced.
LOOK_SECONDS: int = env.int("PORTAL_LOOK_SECONDS", default=3)
WEB_THREADS: int = env.int("PORTAL_WEB_THREADS", default=8)
Q_CLUSTER = {
    # The lock of a message starts when it is fetched, not when a worker begins, so `retry` must exceed
    # timeout x ((queue_limit + 1) / workers + 1), or the same task runs twice.
    "name": "portal",
    "orm": "default",
    "broker_class": "portal.broker.WakeUpBroker",
    "workers": WORKERS,
    "timeout": 45,
    "retry": 240,
    "queue_limit": WORKERS,
    "bulk": 1,
    "ack_failures": True,
    "max_attempts": 1,
    "catch_up": False,
    "guard_cycle": 0.5,
    # A worker that ends is missed for half a second; one that grows too large ends earlier.
    "recycle": 2000,
    "max_rss": 500_000,
    "poll": 0.5,
    "save_limit": -1,
    "label": "Queue",
}

# --- deployments ----------------------------------------------------------------------------------
MAX_DEPLOYMENT_TIME: int = env.int("MAX_DEPLOYMENT_TIME", default=1800)
HEALTH_CHECK_INTERVAL: int = env.int("HEALTH_CHECK_INTERVAL", default=2)
HEALTH_CHECK_RETRIES: int = env.int("HEALTH_CHECK_RETRIES", default=30)
# How long a version that replaced another one is watched before its deployment counts as done.
PROVING_SECONDS: int = env.int("PORTAL_PROVING_SECONDS", default=25)
DEPLOYMENTS_PER_INSTANCE: int = env.int("PORTAL_DEPLOYMENTS_PER_INSTANCE", default=40)
GIT_ALLOWED_HOSTS: list[str] = env.list(
    "GIT_ALLOWED_HOSTS", default=["github.com", "gitlab.com", "bitbucket.org"]
)
GITHUB_TOKEN: str = env.str("GITHUB_TOKEN", default="")
LEASE_SECONDS: int = env.int("PORTAL_LEASE_SECONDS", default=30)
KEPT_RELEASES: int = env.int("PORTAL_KEPT_RELEASES", default=5)
LOCAL_RUNTIME: str = env.str("PORTAL_LOCAL_RUNTIME", default="auto")
# Applications on this machine are as reachable as the portal itself, unless said otherwise.
LOCAL_ADDRESS: str = env.str("PORTAL_LOCAL_ADDRESS", default="") or (
    "127.0.0.1" if bootstrap.is_loopback(HOST) else "0.0.0.0"  # noqa: S104
)
LOCAL_NAME: str = env.str("PORTAL_LOCAL_NAME", default="") or (urlsplit(PUBLIC_URL).hostname or "")
LOCAL_PUBLIC_PORTS = env.collect(
    bootstrap.port_range, env.str("PORTAL_LOCAL_PUBLIC_PORTS", default="20000-20999"), otherwise=range(0)
)
LOCAL_PRIVATE_PORTS = env.collect(
    bootstrap.port_range, env.str("PORTAL_LOCAL_PRIVATE_PORTS", default="21000-22999"), otherwise=range(0)
)
# On any other machine: the loopback ports of containers, and the public ports beside 80.
REMOTE_PUBLIC_PORTS = env.collect(
    bootstrap.port_range, env.str("PORTAL_REMOTE_PUBLIC_PORTS", default="8001-8099"), otherwise=range(0)
)
REMOTE_PRIVATE_PORTS = env.collect(
    bootstrap.port_range, env.str("PORTAL_REMOTE_PRIVATE_PORTS", default="21000-22999"), otherwise=range(0)
)
# Where Docker comes from on a machine that has none: docker (its own repository) or distribution.
DOCKER_SOURCE: str = env.str("PORTAL_DOCKER_SOURCE", default="distribution")
if DOCKER_SOURCE not in ("docker", "distribution"):
    env.problems.append(f"PORTAL_DOCKER_SOURCE is {DOCKER_SOURCE!r}; it must be docker or distribution.")
# Extras that the bootstrap of a machine brings: swap, sysctl, firewall, tools.
BOOTSTRAP_EXTRAS: list[str] = env.list("PORTAL_BOOTSTRAP_EXTRAS", default=["swap", "sysctl"])
# The address that certificates of Let's Encrypt are asked for with, and where they are asked for.
ENABLE_SSL = env.collect(
    bootstrap.strict_bool, env.str("ENABLE_SSL", default="0"), name="ENABLE_SSL", otherwise=False
)
SSL_EMAIL: str = env.str("SSL_EMAIL", default="")
ACME_URL: str = env.str("PORTAL_ACME_URL", default="https://acme-v02.api.letsencrypt.org/directory")

# --- AWS ------------------------------------------------------------------------------------------
AWS_REGION: str = env.str("AWS_REGION", default="") or env.str("AWS_DEFAULT_REGION", default="us-east-1")
# A key pair of one's own with its private key; empty: the portal makes one per machine.
AWS_KEY_PAIR_NAME: str = env.str("AWS_KEY_PAIR_NAME", default="")
AWS_KEY_FILE: str = env.str("PORTAL_AWS_KEY_FILE", default="")
EC2_AMI_ID: str = env.str("EC2_AMI_ID", default="")
EC2_AMI_PARAMETER: str = env.str(
    "PORTAL_EC2_AMI_PARAMETER",
    default="/aws/service/canonical/ubuntu/server/22.04/stable/current/amd64/hvm/ebs-gp2/ami-id",
)
EC2_INSTANCE_TYPE: str = env.str("EC2_INSTANCE_TYPE", default="t3.micro")
EC2_INSTANCE_TYPES: list[str] = env.list(
    "PORTAL_EC2_INSTANCE_TYPES",
    default=[
        "t2.micro", "t3.micro", "t3.small", "t3.medium", "t3.large", "m6i.large", "m6i.xlarge", "c6i.large",
        "c6i.xlarge", "r6i.large",
    ],
)  # fmt: skip
EC2_VOLUME_SIZE: int = env.int("EC2_VOLUME_SIZE", default=20)
SECURITY_GROUP_NAME: str = env.str("SECURITY_GROUP_NAME", default="portal-sg")
# Who may connect to port 22 of the machines, and who to their public ports.
ALLOWED_SSH_IP: str = env.str("ALLOWED_SSH_IP", default="0.0.0.0/0")
ALLOWED_HTTP_CIDRS: list[str] = env.list("PORTAL_ALLOWED_HTTP_CIDRS", default=["0.0.0.0/0"])
# With it a group that opens port 22 to everybody is refused instead of warned about.
STRICT_SSH = env.collect(
    bootstrap.strict_bool,
    env.str("PORTAL_STRICT_SSH", default="0"),
    name="PORTAL_STRICT_SSH",
    otherwise=False,
)
# Marks what this portal made, so that two portals in one account never touch each other's machines.
INSTALLATION: str = env.str("PORTAL_INSTALLATION", default="") or bootstrap.kept_id(DATA_DIR / "installation")
# Days that measurements of machines are kept, and the seconds between two of them.
MEASUREMENT_DAYS: int = env.int("PORTAL_MEASUREMENT_DAYS", default=30)
MEASUREMENT_SECONDS: int = env.int("PORTAL_MEASUREMENT_SECONDS", default=60)
# Seconds between two sweeps for what is on one side only, and between two looks at a machine.
SWEEP_SECONDS: int = env.int("PORTAL_SWEEP_SECONDS", default=300)
FLEET_SECONDS: int = env.int("PORTAL_FLEET_SECONDS", default=20)
LOG_LIMIT_BYTES: int = env.int("PORTAL_LOG_LIMIT_MB", default=200) * 1024 * 1024
EXAMPLES_DIR = BASE_DIR / "examples"

# --- people, sessions, headers --------------------------------------------------------------------
AUTH_USER_MODEL = "core.User"
AUTHENTICATION_BACKENDS = ["axes.backends.AxesStandaloneBackend", "django.contrib.auth.backends.ModelBackend"]
PASSWORD_HASHERS = ["django.contrib.auth.hashers.ScryptPasswordHasher"]
if TESTING:
    PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator", "OPTIONS": {"min_length": 12}},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
]
LOGIN_URL = "login"
LOGIN_REDIRECT_URL = "overview"
LOGOUT_REDIRECT_URL = "login"
# Only the reverse proxies named here may tell us the scheme and the client's address.
TRUSTED_PROXIES: int = env.int("PORTAL_TRUSTED_PROXIES", default=0)
SECURE_COOKIES = env.collect(
    bootstrap.strict_bool, env.str("PORTAL_HTTPS", default="0"), name="PORTAL_HTTPS", otherwise=False
)
# Cookies ignore ports, and deployed applications may share our host name: own names let the local
# proxy strip them from what it forwards.
SESSION_COOKIE_NAME = "__Host-portal_session" if SECURE_COOKIES else "portal_session"
CSRF_COOKIE_NAME = "__Host-portal_csrf" if SECURE_COOKIES else "portal_csrf"
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = SECURE_COOKIES
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = CSRF_COOKIE_SAMESITE = "Lax"
SESSION_COOKIE_AGE = 8 * 3600
SESSION_SAVE_EVERY_REQUEST = False
if TRUSTED_PROXIES:
    SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
SECURE_SSL_REDIRECT = SECURE_COOKIES
SECURE_REDIRECT_EXEMPT = [r"^livez$", r"^readyz$", r"^health$", r"^api/health$"]
SECURE_HSTS_SECONDS = 31536000 if SECURE_COOKIES else 0
SECURE_HSTS_INCLUDE_SUBDOMAINS = SECURE_COOKIES
SECURE_HSTS_PRELOAD = SECURE_COOKIES
SECURE_CONTENT_TYPE_NOSNIFF = True
SECURE_REFERRER_POLICY = "same-origin"
SECURE_CROSS_ORIGIN_OPENER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": ["'none'"],
        "script-src": ["'self'"],
        "style-src": ["'self'"],
        "img-src": ["'self'", "data:"],
        "font-src": ["'self'"],
        "connect-src": ["'self'"],
        "form-action": ["'self'"],
        "frame-ancestors": ["'none'"],
        "base-uri": ["'none'"],
        "manifest-src": ["'self'"],
    }
}
# Locks the account for a while after ten wrong passwords, whatever address they come from.
AXES_FAILURE_LIMIT = 10
AXES_COOLOFF_TIME = 0.25
AXES_LOCKOUT_PARAMETERS = ["username"]
AXES_RESET_ON_SUCCESS = True
AXES_LOCKOUT_TEMPLATE = "registration/locked.html"
AXES_ENABLE_ADMIN = False
AXES_VERBOSE = False
# Locking by name alone is what we want: an attacker changes his address more easily than his goal.
SILENCED_SYSTEM_CHECKS = ["axes.W006"]
AXES_ENABLED = not TESTING
DATA_UPLOAD_MAX_MEMORY_SIZE = 1024 * 1024

# --- API ------------------------------------------------------------------------------------------
REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": ["portal.api.TokenAuthentication", "portal.api.SessionAuthentication"],
    "DEFAULT_PERMISSION_CLASSES": ["portal.api.HasScope"],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_PARSER_CLASSES": ["portal.api.StrictJSONParser"],
    "DEFAULT_FILTER_BACKENDS": ["django_filters.rest_framework.DjangoFilterBackend"],
    "DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema",
    "DEFAULT_THROTTLE_CLASSES": ["portal.api.TokenThrottle"],
    "DEFAULT_THROTTLE_RATES": {"api": "300/min", "login": "10/min"},
    "NUM_PROXIES": TRUSTED_PROXIES,
    "EXCEPTION_HANDLER": "portal.api.problem_handler",
    "UNAUTHENTICATED_USER": "django.contrib.auth.models.AnonymousUser",
}
SPECTACULAR_SETTINGS = {
    "TITLE": "Portal API",
    "VERSION": VERSION,
    "SERVE_INCLUDE_SCHEMA": False,
    "SWAGGER_UI_DIST": "SIDECAR",
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
    "SCHEMA_PATH_PREFIX": "/api/v1",
    "ENUM_NAME_OVERRIDES": {
        "DeploymentStatus": "deployments.states.Status",
        "DeploymentKind": "deployments.states.Kind",
        "StepStatus": "deployments.states.StepStatus",
        "Health": "deployments.states.Health",
        "InstanceStatus": "instances.states.Status",
        "InstanceKind": "instances.states.Kind",
    },
    "PREPROCESSING_HOOKS": ["portal.api.schema.only_versioned"],
    "POSTPROCESSING_HOOKS": [
        "drf_spectacular.hooks.postprocess_schema_enums",
        "portal.api.schema.add_problems",
    ],
}

# --- static files, time, language -----------------------------------------------------------------
STATIC_URL = "static/"
STATIC_ROOT = DATA_DIR / "static"
# whitenoise warns when it is not there, as before the first collectstatic.
STATIC_ROOT.mkdir(exist_ok=True)
STATICFILES_DIRS = [BASE_DIR / "static"]
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {
        "BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"
        if TESTING or DEBUG
        else "whitenoise.storage.CompressedManifestStaticFilesStorage"
    },
}
WHITENOISE_USE_FINDERS = TESTING or DEBUG
TIME_ZONE = "UTC"
USE_TZ = True
LANGUAGE_CODE = "en-us"
USE_I18N = False

# --- logging --------------------------------------------------------------------------------------
LOG_LEVEL: str = env.str("LOG_LEVEL", default="INFO").upper()
LOG_FORMAT: str = env.str("LOG_FORMAT", default="text" if sys.stderr.isatty() else "json")
if LOG_FORMAT not in ("text", "json"):
    env.problems.append(f"LOG_FORMAT is {LOG_FORMAT!r}; it must be text or json.")
    LOG_FORMAT = "text"
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "filters": {
        "context": {"()": "portal.core.logcontext.ContextFilter"},
        "redact": {"()": "portal.core.redact.LogFilter"},
    },
    "formatters": {
        "text": {"format": "%(asctime)s %(levelname)-7s %(name)s: %(message)s"},
        "json": {
            "()": "pythonjsonlogger.json.JsonFormatter",
            "format": "%(asctime)s %(levelname)s %(name)s %(message)s %(request_id)s %(deployment_id)s",
            "rename_fields": {"asctime": "time", "levelname": "level", "name": "logger"},
        },
    },
    "handlers": {
        "stderr": {
            "class": "logging.StreamHandler",
            "formatter": LOG_FORMAT,
            "filters": ["context", "redact"],
        }
    },
    "root": {"handlers": ["stderr"], "level": LOG_LEVEL},
    "loggers": {
        "django.request": {"level": "ERROR"},
        "daphne": {"level": "WARNING"},
        "django_q": {"level": "WARNING"},
        "django-q": {"level": "WARNING"},
        "botocore": {"level": "WARNING"},
        "axes": {"level": "WARNING"},
    },
}

ENVIRONMENT = env
env.stop_on_problems()
