"""What goes wrong while an image is built or fetched."""

from deployments.pipeline.failures.base import Explanation

FAILURES: dict[str, Explanation] = {
    "dockerfile_missing": Explanation(
        "There is no Dockerfile",
        "At this commit the repository has no file at the Dockerfile path.",
        "Add a Dockerfile, or set its path in the application's settings. The examples show one that works.",
    ),
    "dockerfile_invalid": Explanation(
        "The Dockerfile cannot be read",
        "A line of the Dockerfile is not understood.",
        "Correct the line that the log names.",
    ),
    "dockerfile_syntax": Explanation(
        "The Dockerfile has a syntax error",
        "The engine refused the Dockerfile before building anything.",
        "Correct the line that the log names.",
    ),
    "base_image_missing": Explanation(
        "The base image was not found",
        "The image named in FROM could not be pulled.",
        "Check its name and tag, and that the machine may reach the registry.",
    ),
    "build_command_failed": Explanation(
        "A command of the Dockerfile failed",
        "A RUN line ended with an error; the log shows its last output.",
        "Run the same command locally, correct it, push, and deploy again.",
    ),
    "build_failed": Explanation(
        "The image could not be built",
        "The build ended with an error; the last lines of the log say which.",
        "Read the log of this step.",
    ),
    "pull_rate_limited": Explanation(
        "The registry limits pulls",
        "The registry refused to send the base image because of too many pulls.",
        "Wait, or sign in to the registry on that machine.",
    ),
    "pull_failed": Explanation(
        "The image could not be fetched",
        "The registry did not give the image that was asked for.",
        "Check its name, tag and digest, and that the machine may read from that registry.",
    ),
    "engine_gone": Explanation(
        "The Docker engine stopped answering",
        "The engine answered before, and then no longer did.",
        "Start it again on the machine (`systemctl status docker`), then retry.",
    ),
    "no_engine": Explanation(
        "There is no Docker engine",
        "This release was built as a Docker image, but no engine answers on the machine.",
        "Start Docker on the machine, or deploy again to build it anew.",
    ),
    "process_cannot": Explanation(
        "This Dockerfile needs a Docker engine",
        "No engine answers on this machine, so the application is built as a process; a line of its Dockerfile cannot be done that way.",
        "Install a Docker engine on this machine or choose a target that has one; or base the image on python and leave system packages out.",
    ),
    "image_gone": Explanation(
        "The image of that release is gone",
        "It was removed from the machine, so it cannot be started again.",
        "Deploy its commit again, or roll back to another release.",
    ),
}
