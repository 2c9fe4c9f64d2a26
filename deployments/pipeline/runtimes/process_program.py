"""Packs the program that builds and runs without an engine into one file that any Python 3.10 can run."""

import hashlib
import io
import py_compile
import tempfile
import zipfile
from functools import lru_cache
from pathlib import Path

from instances.hosts.base import Host, HostError

TOP = Path(__file__).resolve().parents[3]
HERE = "deployments/pipeline/runtimes"
PARTS = ("deployments/pipeline/dockerfile", f"{HERE}/process_build", f"{HERE}/process_run")
START = "import sys\nfrom deployments.pipeline.runtimes.process_main import main\nsys.exit(main(sys.argv))\n"
CALL_SECONDS = 10.0
# The same content must give the same file, whenever it is packed.
TIME = (1980, 1, 1, 0, 0, 0)


class HostProgram:
    """The program on one host: put there before it is first called."""

    def __init__(self, host: Host, python: str) -> None:
        self.host = host
        self.python = python

    def ensure(self) -> None:
        path = f"tools/{name()}"
        if self.host.read(path, limit=1) is None:
            self.host.put(path, content())

    def argv(self, *words: str) -> list[str]:
        return [self.python, "-I", "-S", "-u", f"{self.host.root}/tools/{name()}", *words]

    def call(self, *words: str, timeout: float = CALL_SECONDS) -> str:
        """What the program prints; raises HostError when it fails."""
        self.ensure()
        result = self.host.call(self.argv(*words), timeout=timeout)
        if not result.ok:
            raise HostError(f"process runtime, {words[0]}: {result.err.strip()[-500:]}")
        return result.out


@lru_cache(maxsize=1)
def name() -> str:
    """The name of the file; it tells the content."""
    digest = hashlib.sha256()
    for path, text in sorted(_sources().items()):
        digest.update(f"{path}\0{text}\0".encode())
    return f"process-{digest.hexdigest()[:12]}.pyz"


def content() -> bytes:
    """The file: the sources for any Python, and the same compiled for ours, which saves a tenth of a second."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive, tempfile.TemporaryDirectory() as folder:
        for path, text in sorted(_sources().items()):
            archive.writestr(zipfile.ZipInfo(path, TIME), text)
            archive.writestr(zipfile.ZipInfo(f"{path}c", TIME), _compiled(path, text, Path(folder)))
    return buffer.getvalue()


@lru_cache(maxsize=1)
def port_map() -> str:
    """The module that every image gets."""
    return (TOP / HERE / "process_run/port_map.py").read_text()


@lru_cache(maxsize=1)
def _sources() -> dict[str, str]:
    # The packages above ours are emptied: what they import is not there.
    sources = {f"{folder}/__init__.py": "" for folder in ("deployments", "deployments/pipeline", HERE)}
    paths = [TOP / HERE / "process_main.py", *(path for part in PARTS for path in (TOP / part).glob("*.py"))]
    sources.update({str(path.relative_to(TOP)): path.read_text() for path in paths})
    return {"__main__.py": START, **sources}


def _compiled(path: str, text: str, folder: Path) -> bytes:
    source, target = folder / "source.py", folder / "compiled"
    source.write_text(text)
    mode = py_compile.PycInvalidationMode.UNCHECKED_HASH
    py_compile.compile(str(source), str(target), dfile=path, doraise=True, invalidation_mode=mode)
    return target.read_bytes()
