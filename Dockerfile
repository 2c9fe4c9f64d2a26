# The portal's own image. Web server, worker and the release step are the same image with other commands:
#   python manage.py web | worker | prepare
FROM python:3.11-slim AS build
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
# Before the code, so that a change of the code does not install everything again.
COPY requirements.txt /requirements.txt
RUN python -m venv /venv && /venv/bin/pip install -r /requirements.txt

FROM python:3.11-slim
# git and ssh fetch repositories and reach servers.
RUN apt-get update \
    && apt-get install -y --no-install-recommends ca-certificates git openssh-client \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --uid 10001 --create-home --shell /usr/sbin/nologin portal \
    && install -d -o portal -g portal /data
COPY --from=build /venv /venv
COPY . /srv/portal
RUN /venv/bin/python -m compileall -q /srv/portal
WORKDIR /srv/portal
# Keys, logs, checkouts and collected static files; everything else in the image stays as it is.
ENV PATH=/venv/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    PORTAL_DATA_DIR=/data \
    HOST=0.0.0.0 \
    PORT=8000
USER portal
EXPOSE 8000
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s --retries=3 \
    CMD ["python", "docs/compose/healthcheck.py"]
CMD ["python", "manage.py", "web"]
