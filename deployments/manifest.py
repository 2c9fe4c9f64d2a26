"""`portal.yml` at the top of a repository: how its application wants to be built and run."""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, NoReturn

import yaml
from django.core.exceptions import ValidationError

from deployments import inputs

NAME = "portal.yml"
LIMIT = 64 * 1024
MOST_VARIABLES = 200
WHOLE = re.compile(r"[1-9][0-9]{0,7}")
DECIMAL = re.compile(r"[0-9]{1,2}(\.[0-9]{1,2})?")
LEAST_MEMORY_MB = 64
LEAST_CPUS = Decimal("0.05")


class ManifestError(ValueError):
    """The file cannot be used: at which line, and why."""

    def __init__(self, line: int, message: str) -> None:
        super().__init__(f"{NAME}, line {line}: {message}")
        self.line = line
        self.message = message


@dataclass(frozen=True)
class Manifest:
    """What the file says; what it leaves out is not in `settings`."""

    # By the names that an application gives them; texts, numbers and objects of texts.
    settings: dict[str, Any] = field(default_factory=dict)
    # Every variable that is named, with its default where it has one.
    variables: dict[str, str | None] = field(default_factory=dict)
    required: tuple[str, ...] = ()

    @property
    def defaults(self) -> dict[str, str]:
        """The variables that have a value unless somebody sets another."""
        return {name: value for name, value in self.variables.items() if value is not None}


def parse(text: str) -> Manifest:
    """Read the file strictly. Raises ManifestError with the first line that is wrong."""
    if len(text.encode(errors="replace")) > LIMIT:
        raise ManifestError(1, f"The file is larger than {LIMIT // 1024} KB.")
    node = _compose(text)
    if node is None or _is_nothing(node):
        return Manifest()
    settings: dict[str, Any] = {}
    variables: dict[str, str | None] = {}
    required: list[str] = []
    for key, value in _flat(node):
        name, read = KEYS.get(key.value, ("", _text))
        if key.value == "variables":
            variables, required = _variables(value)
        elif not name:
            known = ", ".join(sorted([*KEYS, "resources", "variables"]))
            _refuse(key, f"There is no key {key.value[:40]}. There are: {known}.")
        elif name in settings:
            _refuse(key, f"{key.value} is given twice.")
        else:
            settings[name] = _checked(value, read)
    return Manifest(settings, variables, tuple(required))


def _compose(text: str) -> yaml.Node | None:
    """The tree of the file, with a line for each value; nothing in it is made into an object."""
    try:
        for token in yaml.scan(text, Loader=yaml.SafeLoader):
            if isinstance(token, yaml.AliasToken | yaml.AnchorToken | yaml.TagToken):
                _refuse(token, "Anchors, aliases and tags are not used here. Write the value out.")
        return yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        raise ManifestError(mark.line + 1 if mark else 1, f"This is not YAML: {error.problem}.") from None
    except yaml.YAMLError:
        raise ManifestError(1, "This is not YAML: it has characters that no text has.") from None
    except RecursionError:
        raise ManifestError(1, "It is nested too deeply.") from None


def _refuse(at: Any, message: str) -> NoReturn:
    raise ManifestError(at.start_mark.line + 1, message)


def _is_nothing(node: yaml.Node) -> bool:
    return isinstance(node, yaml.ScalarNode) and node.tag.endswith(":null")


def _flat(node: yaml.Node) -> Iterator[tuple[yaml.ScalarNode, yaml.Node]]:
    """The keys of the file; those below `resources` as if they stood beside it."""
    for key, value in _pairs(node, "The file"):
        if key.value == "resources":
            for inner, amount in _pairs(value, "resources"):
                if inner.value not in ("memory_mb", "cpus"):
                    _refuse(inner, "resources has the keys memory_mb and cpus.")
                yield inner, amount
        else:
            yield key, value


def _pairs(node: yaml.Node, what: str) -> Iterator[tuple[yaml.ScalarNode, yaml.Node]]:
    if not isinstance(node, yaml.MappingNode):
        _refuse(node, f"{what} is a list of keys with their values, such as `port: 8000`.")
    seen = set()
    for key, value in node.value:
        if not isinstance(key, yaml.ScalarNode):
            _refuse(key, "A key is one word.")
        if key.value in seen:
            _refuse(key, f"{key.value[:40]} is given twice.")
        seen.add(key.value)
        yield key, value


def _checked(node: yaml.Node, read: Callable[[yaml.Node], Any]) -> Any:
    """Read a value by the rule of its field; a refusal names the line."""
    try:
        return read(node)
    except ValidationError as error:
        _refuse(node, " ".join(error.messages))


def _text(node: yaml.Node) -> str:
    """What stands there, letter by letter: 3.10 is not 3.1, and no is not False."""
    if not isinstance(node, yaml.ScalarNode) or _is_nothing(node):
        _refuse(node, "One value is expected here.")
    return str(node.value)


def _texts(node: yaml.Node) -> dict[str, str]:
    return {key.value: _text(value) for key, value in _pairs(node, "This")}


def _port(node: yaml.Node) -> int:
    return inputs.parse_container_port(_text(node))


def _memory(node: yaml.Node) -> int:
    text = _text(node)
    if not WHOLE.fullmatch(text) or int(text) < LEAST_MEMORY_MB:
        _refuse(node, f"memory_mb is a whole number of megabytes from {LEAST_MEMORY_MB} on, such as 1024.")
    return int(text)


def _cpus(node: yaml.Node) -> str:
    text = _text(node)
    if not DECIMAL.fullmatch(text) or Decimal(text) < LEAST_CPUS:
        _refuse(node, f"cpus is a number from {LEAST_CPUS} to 99.99, such as 0.5.")
    return text


def _path(check: Callable[[str], None]) -> Callable[[yaml.Node], str]:
    def read(node: yaml.Node) -> str:
        text = _text(node)
        check(text)
        return text

    return read


def _command(node: yaml.Node) -> str:
    return inputs.parse_command(_text(node))


def _build_args(node: yaml.Node) -> dict[str, str]:
    return inputs.parse_build_args(_texts(node))


def _hooks(node: yaml.Node) -> dict[str, str]:
    return inputs.parse_hooks(_texts(node))


# Key of the file → name of the application's column, and how its value is read.
KEYS: dict[str, tuple[str, Callable[[yaml.Node], Any]]] = {
    "port": ("container_port", _port),
    "health": ("health_path", _path(inputs.check_health_path)),
    "memory_mb": ("memory_mb", _memory),
    "cpus": ("cpus", _cpus),
    "dockerfile": ("dockerfile", _path(inputs.check_dockerfile_path)),
    "context": ("context", _path(inputs.check_context_path)),
    "build_args": ("build_args", _build_args),
    "test": ("test_command", _command),
    "hooks": ("hooks", _hooks),
}


def _variables(node: yaml.Node) -> tuple[dict[str, str | None], list[str]]:
    """Names, each with nothing, a default, or `default` and `required`."""
    found: dict[str, str | None] = {}
    required = []
    for key, value in _pairs(node, "variables"):
        _checked(key, lambda key: inputs.check_variable_name(key.value))
        found[key.value], is_required = _variable(key, value)
        if is_required:
            required.append(key.value)
    if len(found) > MOST_VARIABLES:
        _refuse(node, f"There are {len(found)} variables; at most {MOST_VARIABLES} are possible.")
    return found, required


def _variable(key: yaml.ScalarNode, node: yaml.Node) -> tuple[str | None, bool]:
    if isinstance(node, yaml.ScalarNode):
        return (None if _is_nothing(node) else _value(node)), False
    default, is_required = None, False
    for name, value in _pairs(node, key.value):
        if name.value == "default":
            default = _value(value)
        elif name.value == "required":
            is_required = _flag(value)
        else:
            _refuse(name, "A variable has the keys default and required.")
    if is_required and default is not None:
        _refuse(key, f"{key.value} has a default, so it is never missing. Leave out one of the two.")
    return default, is_required


def _value(node: yaml.Node) -> str:
    text = _text(node)
    _checked(node, lambda _: inputs.check_variable_value(text))
    return text


def _flag(node: yaml.Node) -> bool:
    text = _text(node)
    if text not in ("true", "false"):
        _refuse(node, "required is true or false.")
    return text == "true"
