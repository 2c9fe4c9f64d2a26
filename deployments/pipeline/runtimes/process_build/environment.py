"""Makes the Python of an image: a virtual environment where the official image has its Python."""

from __future__ import annotations

import os
import subprocess
import zipfile
from pathlib import Path

from deployments.pipeline.runtimes.process_build.interpreters import Interpreter

PREFIX = "/usr/local"
MAKE_SECONDS = 60
# The folders of every base image into which something may be put without making them first.
SKELETON = (
    "etc", "home", "mnt", "opt", "root", "run", "srv", "tmp", "usr/bin", "usr/lib", "usr/local/sbin", "usr/share", "usr/src",
    "var/cache", "var/lib", "var/log", "var/tmp",
)  # fmt: skip
PIP_SCRIPT = """#!{python}
import sys
from pip._internal.cli.main import main
if __name__ == "__main__":
    sys.argv[0] = sys.argv[0].removesuffix("-script.pyw").removesuffix(".exe")
    sys.exit(main())
"""
# Packages that `pip install --user` put into the home folder are found as on a normal Python.
USER_PACKAGES = (
    "import os, site, sys; site.addsitedir(os.path.expanduser("
    "'~/.local/lib/python%d.%d/site-packages' % sys.version_info[:2]))\n"
)


def make(root: str, interpreter: Interpreter) -> None:
    """Make the environment below this root; without pip, which is only put in when it is needed."""
    folder = f"{root}{PREFIX}"
    subprocess.run(
        [interpreter.path, "-I", "-m", "venv", "--without-pip", "--symlinks", folder],
        check=True, timeout=MAKE_SECONDS,
    )  # fmt: skip
    for each in SKELETON:
        os.makedirs(f"{root}/{each}", exist_ok=True)


def site_packages(prefix: str) -> Path:
    """Where the packages of a virtual environment lie."""
    return next(Path(prefix).glob("lib/python3*/site-packages"))


def add_pip(root: str, interpreter: Interpreter, fallback: tuple[str, ...] = ()) -> None:
    """Unpack the pip that came with Python; much faster than letting it install itself."""
    prefix = f"{root}{PREFIX}"
    folder = site_packages(prefix)
    if (folder / "pip").exists():
        return
    for wheel in interpreter.wheels or fallback:
        with zipfile.ZipFile(wheel) as archive:
            archive.extractall(folder)
    python = f"{prefix}/bin/python"
    for name in ("pip", "pip3", f"pip{interpreter.minor}"):
        script = Path(f"{prefix}/bin/{name}")
        script.write_text(PIP_SCRIPT.format(python=python))
        script.chmod(0o755)


def finish(root: str, port_map: str) -> None:
    """Put into every environment of the image what makes the container's port work without a container."""
    for config in _environments(root):
        folder = site_packages(str(config.parent))
        (folder / "portal_port_map.py").write_text(port_map)
        (folder / "portal.pth").write_text(f"import portal_port_map\n{USER_PACKAGES}")


def _environments(root: str) -> list[Path]:
    """All virtual environments in the usual depth: /usr/local, /opt/venv, /app/.venv and such."""
    found = []
    for depth in ("*", "*/*", "*/*/*"):
        for config in Path(root).glob(f"{depth}/pyvenv.cfg"):
            if not config.is_symlink() and any(config.parent.glob("lib/python3*/site-packages")):
                found.append(config)
    return found
