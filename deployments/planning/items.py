"""What a start creates, changes and keeps."""

import copy
from typing import Any

from django.conf import settings

from deployments.models import Release
from deployments.pipeline import names, routes
from deployments.planning.rehearsal import Rehearsal
from deployments.planning.repository import Source
from deployments.planning.shapes import Item, Value
from instances.states import Kind as Place

APPLICATION = ("container_port", "context", "git_token_sealed")
ENVIRONMENT = ("public_port", "branch")
WORDS = {"git_token_sealed": "access token", "container_port": "container port", "public_port": "public port"}
# Name of a setting → what a request calls it.
REQUESTED = {"container_port": "container_port", "context": "context"}
SHOWN = {
    "dockerfile": "Dockerfile", "context": "Build context", "health_path": "Health path", "memory_mb": "Memory (MB)",
    "cpus": "CPUs", "test_command": "Test command",
}  # fmt: skip
# Says nothing of an image that was made elsewhere.
ONLY_BUILT = ("dockerfile", "context")
UNSAID = {"context": "the whole repository", "health_path": "/health, /healthz, /up or /"}


class Lists:
    """The three lists, filled in the order in which things happen."""

    def __init__(self) -> None:
        self.created: list[Item] = []
        self.changed: list[Item] = []
        self.kept: list[Item] = []

    def row(self, kind: str, row: Any, now: Any, fields: tuple[str, ...] = (), detail: str = "") -> None:
        """A row of the tables: new, different in some field, or as it was."""
        if now is None:
            self.created.append(Item(kind, row.name, detail))
            return
        different = [name for name in fields if getattr(row, name) != getattr(now, name)]
        if different:
            words = ", ".join(WORDS.get(name, name) for name in different)
            self.changed.append(Item(kind, row.name, words))
        else:
            self.kept.append(Item(kind, row.name))


def fill(lists: Lists, rehearsal: Rehearsal, source: Source, values: dict[str, str]) -> None:
    """Everything that a deployment touches, except what AWS alone knows."""
    application, environment = rehearsal.application, rehearsal.environment
    lists.row("application", application, rehearsal.application_now, APPLICATION, application.git_url)
    lists.row("environment", environment, rehearsal.environment_now, ENVIRONMENT)
    _variables(lists, rehearsal, source, values)
    _machine(lists, rehearsal)
    _image(lists, rehearsal, source)
    _release(lists, rehearsal)
    _way(lists, rehearsal)


def _variables(lists: Lists, rehearsal: Rehearsal, source: Source, values: dict[str, str]) -> None:
    """Names only."""
    before = rehearsal.variables_now
    for name in rehearsal.variables:
        if name not in before:
            lists.created.append(Item("variable", name))
        elif before[name] != values[name]:
            lists.changed.append(Item("variable", name, "another value"))
        else:
            lists.kept.append(Item("variable", name))
    known = rehearsal.live.variable_names if rehearsal.live else []
    for name in sorted(set(source.config.variables) - set(rehearsal.variables)):
        to = lists.kept if name in known else lists.created
        to.append(Item("variable", name, "as portal.yml says"))


def _machine(lists: Lists, rehearsal: Rehearsal) -> None:
    instance = rehearsal.instance
    name = rehearsal.instance_name
    (lists.kept if rehearsal.instance_now else lists.created).append(Item("instance", name))
    if instance.kind == Place.EC2 and not instance.aws_id:
        detail = f"{instance.instance_type} in {instance.region}, {instance.volume_gb} GB"
        lists.created.append(Item("machine", name, detail))
    if instance.kind != Place.LOCAL:
        missing = [program for program in ("docker", "nginx") if not instance.facts.get(program)]
        if missing:
            words = " and ".join({"docker": "Docker", "nginx": "NGINX"}[one] for one in missing)
            lists.changed.append(Item("packages", words, f"installed on {name} where missing"))
        else:
            lists.kept.append(Item("packages", "Docker and NGINX"))
    moved = rehearsal.environment_now
    if moved is not None and moved.instance.uuid != instance.uuid:
        lists.kept.append(Item("instance", moved.instance.name, "where it ran before; it goes on as it is"))


def image_of(rehearsal: Rehearsal, source: Source) -> str:
    """The image that will run, as far as it is known before."""
    if rehearsal.image or not source.commit:
        return rehearsal.image
    # As the steps would see it after looking at the repository.
    deployment = copy.copy(rehearsal.deployment)
    deployment.commit = source.commit
    deployment.facts = {"config": source.config.as_facts()}
    # The name of a forced build ends with the id of its deployment, which nobody knows yet.
    deployment.options = {key: value for key, value in deployment.options.items() if key != "no_cache"}
    return names.image_name(deployment)


def _image(lists: Lists, rehearsal: Rehearsal, source: Source) -> None:
    image = image_of(rehearsal, source)
    if not image:
        return
    if rehearsal.image:
        lists.kept.append(Item("image", image, "made elsewhere; it is pulled"))
        return
    place = rehearsal.instance.uuid
    made = Release.objects.filter(image=image, kept=True, environment__instance__uuid=place).first()
    if rehearsal.deployment.options.get("no_cache"):
        made = None
    if made is None:
        lists.created.append(Item("image", image, f"built from {source.commit[:7]}"))
    else:
        lists.kept.append(Item("image", image, f"there from {made}"))


def _release(lists: Lists, rehearsal: Rehearsal) -> None:
    number = rehearsal.last_release + 1
    lists.created.append(Item("release", f"v{number}"))
    name = f"portal-{rehearsal.application.name}-{rehearsal.environment.name}-…"
    now = rehearsal.environment_now
    beside = "beside the one that is live; " if now is not None and now.live_container else ""
    lists.created.append(Item("container", name, f"{beside}gets traffic once it is healthy"))
    if now is not None and now.live_container:
        lists.changed.append(
            Item("container", now.live_container, "stopped once the new one has the traffic")
        )
    if rehearsal.live is not None:
        lists.kept.append(Item("release", str(rehearsal.live), "can be brought back at any time"))
    if rehearsal.superseded:
        lists.changed.append(Item("deployment", rehearsal.superseded, "waits, and makes way for this one"))


def _way(lists: Lists, rehearsal: Rehearsal) -> None:
    """The public port and the site of the proxy."""
    environment, instance = rehearsal.environment, rehearsal.instance
    shared = instance.kind != Place.LOCAL and (environment.hostnames or environment.path_prefix)
    port = routes.HTTP if shared else environment.public_port or rehearsal.held_port
    if port and port == rehearsal.held_port:
        lists.kept.append(Item("public_port", str(port)))
    else:
        free = settings.LOCAL_PUBLIC_PORTS if instance.kind == Place.LOCAL else settings.REMOTE_PUBLIC_PORTS
        usual = f"a free one of {free[0]}–{free[-1]}"
        if instance.kind != Place.LOCAL:
            usual = f"{routes.HTTP}, else {usual}"
        lists.created.append(Item("public_port", str(port or usual)))
    site = ", ".join(environment.hostnames) or environment.path_prefix or f"{environment}"
    if rehearsal.live is None:
        lists.created.append(Item("site", site))
    else:
        lists.changed.append(Item("site", site, "sends its traffic to the new container"))


def values_of(rehearsal: Rehearsal, source: Source, wish: dict[str, Any]) -> list[Value]:
    """The settings that the deployment goes by, each with its source."""
    config = source.config
    port_source = "form" if wish.get("container_port") else source.port_source
    rows = [Value("Container port", str(source.port), port_source)]
    for name, words in SHOWN.items():
        if rehearsal.image and name in ONLY_BUILT:
            continue
        if value := str(getattr(config, name)) or UNSAID.get(name, ""):
            given = name in REQUESTED and wish.get(REQUESTED[name]) not in (None, "")
            rows.append(Value(words, value, "form" if given else config.sources.get(name, "default")))
    requested = rehearsal.deployment.options.get("build_args", {})
    for name, text in {**config.build_args, **requested}.items():
        of = "form" if name in requested else config.sources[f"build_args.{name}"]
        rows.append(Value(f"Build argument {name}", text, of))
    for name, text in config.hooks.items():
        rows.append(Value(f"Hook {name}", text, config.sources[f"hooks.{name}"]))
    given_variables = wish.get("variables") or {}
    for name in sorted({*rehearsal.variables, *config.variables}):
        of = "form" if name in given_variables else "application" if name in rehearsal.variables else "repo"
        rows.append(Value(f"Variable {name}", "(set)" if of != "repo" else config.variables[name], of))
    branch = "form" if wish.get("branch") else "application" if rehearsal.deployment.ref else "default"
    if source.ref:
        rows.append(Value("Branch", source.ref, branch))
    return rows
