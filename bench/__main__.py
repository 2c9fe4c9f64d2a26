"""Runs the measurements, each in a process of its own.

python -m bench            all of them
python -m bench queue web  those whose names begin so
"""

import subprocess
import sys
from pathlib import Path

FOLDER = Path(__file__).parent
MARK = 'if __name__ == "__main__":\n    main()'


def measurements() -> list[str]:
    """The modules here that are measurements: those that run `main` without arguments."""
    return sorted(
        path.stem for path in FOLDER.glob("*.py") if path != Path(__file__) and MARK in path.read_text()
    )


def main() -> int:
    """Run what was asked for; the exit code says whether all of them ran to their end."""
    wanted = tuple(sys.argv[1:])
    failed = []
    for name in measurements():
        if wanted and not name.startswith(wanted):
            continue
        print(f"\n{name}", flush=True)
        if subprocess.run([sys.executable, "-m", f"bench.{name}"]).returncode:
            failed.append(name)
    if failed:
        print(f"\nNot measured to the end: {', '.join(failed)}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
