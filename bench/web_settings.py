"""The portal's settings with one more address, a view that does nothing; BENCH_MIDDLEWARE=django for Django's own."""

import os

from bench.settings import *  # noqa: F403
from portal.settings import MIDDLEWARE as SHIPPED

ROOT_URLCONF = "bench.web_urls"
MIDDLEWARE = SHIPPED
if os.environ.get("BENCH_MIDDLEWARE") == "django":
    # What `startproject` writes: each of them can be asynchronous, and costs changes of thread there.
    MIDDLEWARE = [
        "django.middleware.security.SecurityMiddleware",
        "django.contrib.sessions.middleware.SessionMiddleware",
        "django.middleware.common.CommonMiddleware",
        "django.middleware.csrf.CsrfViewMiddleware",
        "django.contrib.auth.middleware.AuthenticationMiddleware",
        "django.contrib.messages.middleware.MessageMiddleware",
        "django.middleware.clickjacking.XFrameOptionsMiddleware",
    ]
