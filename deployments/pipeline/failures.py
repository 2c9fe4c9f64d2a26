"""Every way in which a deployment fails: one title, one sentence on what it means, one on what to do."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Explanation:
    """What people read about a failure."""

    title: str
    sentence: str
    fix: str


CATALOGUE: dict[str, Explanation] = {
    "repository_not_found": Explanation(
        "The repository was not found",
        "The Git server says that there is no such repository, or that it is private.",
        "Check the URL. For a private repository add an access token or a deploy key in the application's settings.",
    ),
    "branch_not_found": Explanation(
        "The branch was not found",
        "The repository has no branch, tag or commit of that name.",
        "Choose one of the branches that the deploy form lists, or push the missing one.",
    ),
    "git_auth_failed": Explanation(
        "The Git server refused the credentials",
        "The stored access token or deploy key was not accepted.",
        "Store a fresh token with read access in the application's settings.",
    ),
    "git_unreachable": Explanation(
        "The Git server did not answer",
        "The portal could not reach the Git server.",
        "Try again in a few minutes; if it stays, check the network from the portal to the Git server.",
    ),
    "git_timeout": Explanation(
        "The Git server took too long",
        "Fetching the repository did not end in time.",
        "Try again; a very large repository may need a longer time.",
    ),
    "git_failed": Explanation(
        "Git failed",
        "Fetching the repository ended with an error; the last lines of the log say which.",
        "Read the log of this step.",
    ),
    "repository_empty": Explanation(
        "The repository is empty",
        "It has no commits or branches yet.",
        "Push a first commit, then deploy again.",
    ),
    "repository_moved": Explanation(
        "The repository has moved",
        "The Git server sends git to another address, which is not followed.",
        "Open the repository in a browser and use its present address.",
    ),
    "commit_not_found": Explanation(
        "The commit is gone",
        "The repository no longer has this commit; it may have been force-pushed away.",
        "Deploy the branch again to get its newest commit.",
    ),
    "git_host_refused": Explanation(
        "This Git server is not allowed",
        "The server or the form of the URL is not on the portal's list.",
        "Use an allowed server, or ask an administrator to add it to GIT_ALLOWED_HOSTS.",
    ),
    "git_host_key_changed": Explanation(
        "The Git server's identity has changed",
        "Its SSH host key is not the one that the portal knows.",
        "Stop; ask an administrator to compare the key before anything else.",
    ),
    "git_tls_failed": Explanation(
        "The Git server's certificate is not trusted",
        "Its HTTPS certificate could not be verified.",
        "Install the certificate authority on that machine, or correct the server's certificate.",
    ),
    "git_missing": Explanation(
        "git is not installed",
        "The machine that runs this step has no git.",
        "Install git on it, then retry.",
    ),
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
    "disk_full": Explanation(
        "The disk is full",
        "There was no space left on the machine.",
        "Remove what is not needed (old images first), or give it a larger disk; then retry.",
    ),
    "no_port": Explanation(
        "There is no free port",
        "All ports set aside for applications are taken.",
        "Delete applications that are not needed, or widen the port range in the portal's settings.",
    ),
    "port_taken": Explanation(
        "The public port is taken",
        "Another program on the machine listens on the port that this environment should answer on.",
        "Choose another port in the environment's settings, or leave it empty to get a free one.",
    ),
    "variable_refused": Explanation(
        "A variable cannot be handed over",
        "Its name is not one, or its value cannot reach the application unchanged.",
        "Correct the variable that the log names.",
    ),
    "private_port_taken": Explanation(
        "A port was taken at the last moment",
        "Between choosing a private port and starting the application, another program on the machine took it.",
        "Retry; another port is chosen.",
    ),
    "container_exited": Explanation(
        "The application ended by itself",
        "It started, and then ended before it was live; its last lines are in the log.",
        "Read its last lines: usually a missing package, variable or file. Push a fix and deploy again.",
    ),
    "out_of_memory": Explanation(
        "The application ran out of memory",
        "It was killed because it used more than its memory limit.",
        "Raise the memory limit in the application's settings, or make it use less.",
    ),
    "wrong_port": Explanation(
        "The application listens on another port",
        "It runs, but not on the port where it is asked.",
        "Let it listen on the port in $PORT, or set the container port in the application's settings.",
    ),
    "loopback_only": Explanation(
        "The application listens on 127.0.0.1",
        "Inside its container it answers only itself, so nobody can reach it.",
        "Let it listen on 0.0.0.0.",
    ),
    "unhealthy": Explanation(
        "The application did not become healthy",
        "It runs, but did not answer its health path in time.",
        "Check the health path in the application's settings and what the application logs.",
    ),
    "health_error": Explanation(
        "The health path answers with an error",
        "The application answers, but with an error status.",
        "Open the health path locally; the application's last lines are in the log.",
    ),
    "died_after_switch": Explanation(
        "The application failed right after it went live",
        "It was healthy, got the traffic, and then stopped answering. The version before has it again.",
        "Read its last lines in the log. Push a fix and deploy again.",
    ),
    "proxy_failed": Explanation(
        "Traffic could not be switched",
        "The proxy in front of the application did not take the new route; the old one is still in place.",
        "Retry. If it stays, look at the doctor page.",
    ),
    "image_gone": Explanation(
        "The image of that release is gone",
        "It was removed from the machine, so it cannot be started again.",
        "Deploy its commit again, or roll back to another release.",
    ),
    "job_lost": Explanation(
        "A command was ended from outside",
        "The machine restarted or somebody ended the command while it ran.",
        "Retry.",
    ),
    "command_failed": Explanation(
        "A command failed", "A command on the machine ended with an error.", "Read the log of this step."
    ),
    "host_unreachable": Explanation(
        "The machine did not answer",
        "The portal could not reach the machine during the whole time of this step.",
        "Check that it runs, then retry.",
    ),
    "step_timeout": Explanation(
        "The step took too long",
        "It did not end within its time and was stopped.",
        "Read the log for what it waited for, then retry.",
    ),
    "deployment_timeout": Explanation(
        "The deployment took too long",
        "It did not end within the time set for a whole deployment (MAX_DEPLOYMENT_TIME).",
        "Read the log for the slow step, then retry.",
    ),
    "worker_died": Explanation(
        "The worker died three times here",
        "Each time this step was carried out the worker process ended, so it is not tried again.",
        "Look at the portal's own log for the cause (often memory), then retry.",
    ),
    "internal_error": Explanation(
        "The portal made a mistake",
        "Something unexpected happened in the portal itself; nothing was switched.",
        "Retry. If it happens again, send the deployment's id to the portal's administrators.",
    ),
}

UNKNOWN = Explanation("It failed", "The log says what happened.", "Read the log of the failed step.")


def explain(code: str) -> Explanation:
    """The words for a failure code."""
    return CATALOGUE.get(code, UNKNOWN)
