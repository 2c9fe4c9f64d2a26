"""The container's port without a container: binding it binds the loopback port that was set aside.

The loopback port itself is never bound on every address, since only the proxy is meant to ask there.
Lies in each image as `portal_port_map.py` and is loaded when Python starts. Two versions of an
application that both say `port=8000` in their code can so run beside each other, as they can in
containers. Outside a container of ours, or for any other port, it does nothing.
"""

from __future__ import annotations

import os
import sys

# Loaded by every start of Python in the image: `typing` would cost more than all the rest.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_mapped = os.environ.get("PORTAL_PORT_MAP", "").partition(":")
_HOOKED = ("socket", "uvloop")


def _loopback(host: Any) -> Any:
    if host in ("", None, "0.0.0.0"):  # noqa: S104
        return "127.0.0.1"
    return host


def _map(address: Any, family_is_6: bool = False) -> Any:
    """The address to bind instead of this one."""
    if not (isinstance(address, tuple) and len(address) >= 2 and str(address[1]) in (_mapped[0], _mapped[2])):
        return address
    host = address[0]
    if family_is_6:
        # Reachable over IPv4, where the proxy asks.
        host = "::ffff:127.0.0.1" if host in ("", "::", "::ffff:0.0.0.0") else host
    else:
        host = _loopback(host)
    return (host, int(_mapped[2]), *address[2:])


def _patch_socket(module: Any) -> None:
    plain = module.socket.bind

    def bind(self: Any, address: Any) -> Any:
        if self.type == module.SOCK_STREAM and self.family in (module.AF_INET, module.AF_INET6):
            mapped = _map(address, self.family == module.AF_INET6)
            if mapped is not address and mapped[0].startswith("::ffff:"):
                self.setsockopt(module.IPPROTO_IPV6, module.IPV6_V6ONLY, 0)
            address = mapped
        return plain(self, address)

    module.socket.bind = bind


def _patch_uvloop(module: Any) -> None:
    # It binds in C, past the socket module.
    plain = module.Loop.create_server

    def create_server(self: Any, factory: Any, host: Any = None, port: Any = None, **options: Any) -> Any:
        if port is not None and str(port) in (_mapped[0], _mapped[2]):
            hosts = host if isinstance(host, (list, tuple)) else [host]
            hosts = ["127.0.0.1" if each in ("", None, "0.0.0.0", "::") else each for each in hosts]  # noqa: S104
            host, port = list(dict.fromkeys(hosts)), int(_mapped[2])
        return plain(self, factory, host, port, **options)

    module.Loop.create_server = create_server


class _Finder:
    """Patches a module right after it was loaded, so that programs that never use it pay nothing."""

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> Any:
        if name not in _HOOKED:
            return None
        import importlib.util

        sys.meta_path.remove(self)
        try:
            spec = importlib.util.find_spec(name)
        finally:
            sys.meta_path.insert(0, self)
        if spec is None or spec.loader is None:
            return spec
        execute = spec.loader.exec_module

        def exec_module(module: Any) -> None:
            execute(module)
            globals()[f"_patch_{name}"](module)

        spec.loader.exec_module = exec_module  # type: ignore[method-assign]
        return spec


if _mapped[2]:
    if "socket" in sys.modules:
        _patch_socket(sys.modules["socket"])
    sys.meta_path.insert(0, _Finder())
