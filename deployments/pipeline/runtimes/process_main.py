"""The program that the process runtime puts on a host: builds images, stands beside containers, looks at them.

build ORDER          builds the image that the order file describes
inner                its second half, as the application's user
run FOLDER           runs the container of this folder to its end
look ROOT [NAME …]   prints what is known of these containers, or of all
logs ROOT NAME N     prints the last lines that a container wrote
remove ROOT NAME     kills and deletes a container
remove-image ROOT I  deletes an image
"""

from __future__ import annotations

import sys

# Each is imported only where it is used: looking happens often, and must not load what builds.


def main(arguments: list[str]) -> int:
    """Do what the first word says; returns the exit code."""
    program, command, *rest = arguments
    if command in ("look", "logs"):
        from deployments.pipeline.runtimes.process_run import look

        return look.look(rest[0], rest[1:]) if command == "look" else look.logs(*rest)
    if command == "run":
        from deployments.pipeline.runtimes.process_run import container

        return container.main(*rest)
    if command in ("remove", "remove-image"):
        from deployments.pipeline.runtimes.process_run import removal

        return removal.remove(*rest) if command == "remove" else removal.remove_image(*rest)
    if command == "inner":
        from deployments.pipeline.runtimes.process_build import inner

        return inner.main(*rest)
    from deployments.pipeline.runtimes.process_build import outer

    return outer.main(rest[0], program)


if __name__ == "__main__":
    sys.exit(main(sys.argv))
