"""The tree keeps its shape: who may import whom, one sink for commands, a deadline on every wait."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("portal", "instances", "deployments", "models_registry")

# A package may import those below it; only the roof (portal outside portal.core) imports the apps.
MAY_IMPORT = {
    "portal.core": {"portal.core"},
    "instances": {"portal.core", "instances"},
    "models_registry": {"portal.core", "models_registry"},
    "deployments": {"portal.core", "instances", "deployments"},
    "portal": {"portal.core", "portal", "instances", "deployments", "models_registry"},
}
# What the API of an app takes from the roof: how requests are authenticated, paged and refused.
ROOF_FOR_SURFACES = {"portal.api", "portal.admin", "portal.forms", "portal.broker"}

SURFACES = {"views", "admin", "api", "consumers", "forms", "urls", "routing"}
ORDER = ["surfaces", "actions", "tasks", "rules", "engine", "steps", "models"]
SUBPROCESS_SINKS = {
    "instances/hosts",
    "portal/supervisor",
    "portal/management/commands",
}


def modules() -> Iterator[tuple[str, Path, ast.Module]]:
    for package in PACKAGES:
        for path in sorted((ROOT / package).rglob("*.py")):
            if "migrations" not in path.parts:
                name = ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
                yield name, path, ast.parse(path.read_text())


def imports(tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def layer(module: str) -> str | None:
    """The rule book's name for the part a module belongs to."""
    return next((part for part in MAY_IMPORT if module == part or module.startswith(part + ".")), None)


def is_surface(module: str) -> bool:
    return bool(SURFACES & set(module.split(".")[1:]))


def forbidden(module: str, target: str) -> bool:
    own, other = layer(module), layer(target)
    if own is None or other is None or other in MAY_IMPORT[own]:
        return False
    return not (is_surface(module) and any(target.startswith(name) for name in ROOF_FOR_SURFACES))


def test_nobody_imports_what_stands_above_it() -> None:
    wrong = [
        f"{name} imports {target}"
        for name, _, tree in modules()
        for target in imports(tree)
        if forbidden(name, target)
    ]
    assert wrong == []


@pytest.mark.parametrize(
    ("module", "target"),
    [
        ("portal.core.audit", "deployments.models"),
        ("instances.models", "deployments.models"),
        ("deployments.actions", "portal.views"),
        ("models_registry.models", "deployments.models"),
    ],
)
def test_the_rule_catches_a_forbidden_import(module: str, target: str) -> None:
    assert forbidden(module, target)


def test_only_surfaces_import_surfaces() -> None:
    wrong = [
        f"{name} imports {target}"
        for name, _, tree in modules()
        if not is_surface(name) and layer(name) in ("instances", "deployments", "models_registry")
        for target in imports(tree)
        if layer(target) not in (None, "portal", "portal.core") and is_surface(target)
    ]
    assert wrong == []


def test_the_engine_and_its_steps_know_no_action() -> None:
    wrong = [
        f"{name} imports {target}"
        for name, _, tree in modules()
        if name.startswith("deployments.pipeline")
        for target in imports(tree)
        if target.startswith(("deployments.actions", "deployments.queries"))
    ]
    assert wrong == []


def test_commands_are_run_in_one_place_only() -> None:
    """No subprocess, os.system or exec_command outside the hosts and the portal's own supervision."""
    wrong = []
    for name, path, tree in modules():
        place = str(path.relative_to(ROOT))
        if any(place.startswith(sink) for sink in SUBPROCESS_SINKS) or "process_build" in place:
            continue
        wrong += [
            f"{name} imports {target}" for target in imports(tree) if target.split(".")[0] == "subprocess"
        ]
        wrong += [
            f"{name}:{node.lineno} calls {node.attr}"
            for node in ast.walk(tree)
            if isinstance(node, ast.Attribute)
            and node.attr in ("system", "popen", "exec_command", "create_subprocess_shell")
            and not (isinstance(node.value, ast.Name) and node.value.id == "views")
        ]
    assert wrong == []


def test_nobody_uses_a_shell() -> None:
    wrong = [
        f"{name}:{node.lineno}"
        for name, _, tree in modules()
        if any(target.startswith("subprocess") for target in imports(tree))
        for node in ast.walk(tree)
        if isinstance(node, ast.keyword)
        and node.arg == "shell"
        and getattr(node.value, "value", None) is True
    ]
    assert wrong == []


def test_every_wait_has_a_deadline() -> None:
    """`.wait()`, `.communicate()`, `.join()` on processes and threads, urlopen and create_connection."""
    wrong = []
    for name, _, tree in modules():
        limited = {
            id(argument)
            for node in ast.walk(tree)
            if isinstance(node, ast.Call) and getattr(node.func, "attr", "") == "wait_for"
            for argument in node.args
        }
        # What is awaited ends with its connection: it is cancelled from outside.
        limited |= {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Await)}
        for node in ast.walk(tree):
            if (
                not isinstance(node, ast.Call)
                or not isinstance(node.func, ast.Attribute)
                or id(node) in limited
            ):
                continue
            waits = node.func.attr in ("communicate", "urlopen", "create_connection") or (
                node.func.attr == "wait" and not node.args
            )
            if (
                waits
                and not any(keyword.arg == "timeout" for keyword in node.keywords)
                and len(node.args) < 2
            ):
                wrong.append(f"{name}:{node.lineno} {node.func.attr}")
    assert wrong == []


def test_nothing_is_ever_unpickled() -> None:
    wrong = [
        f"{name} imports {target}"
        for name, _, tree in modules()
        for target in imports(tree)
        if target.split(".")[0] in ("pickle", "joblib", "dill", "cloudpickle", "shelve", "marshal")
    ]
    assert wrong == []
