"""What goes wrong while an application starts, and when it gets the traffic."""

from deployments.pipeline.failures.base import Explanation

FAILURES: dict[str, Explanation] = {
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
    "certificate_failed": Explanation(
        "The certificate could not be put in place",
        "The proxy has no valid certificate for this host name.",
        "Check that the certificate and the key belong together and name this host; then retry.",
    ),
    "tests_failed": Explanation(
        "The tests failed",
        "The application's test command ended with an error in the new image, so it was not put live.",
        "Read its output in the log, correct what fails, push, and deploy again.",
    ),
    "hook_failed": Explanation(
        "A hook failed",
        "A command set to run with each deployment ended with an error.",
        "Read its output in the log; correct the command in the environment's settings or what it needs, then deploy again.",
    ),
    "wrong_container": Explanation(
        "Another container answers",
        "The container on the machine does not run the image of this release; something replaced it.",
        "Retry. If it happens again, look for what else starts containers on the machine.",
    ),
}
