"""What goes wrong while the source is fetched."""

from deployments.pipeline.failures.base import Explanation

FAILURES: dict[str, Explanation] = {
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
    "manifest_invalid": Explanation(
        "portal.yml cannot be used",
        "A line of it has an unknown key or a value that does not fit; the message says which.",
        "Correct that line, push, then deploy again.",
    ),
    "variable_missing": Explanation(
        "A variable is missing",
        "The repository's portal.yml requires variables that nobody has set in this environment.",
        "Set them under the environment's variables, then retry.",
    ),
    "plan_changed": Explanation(
        "The plan no longer holds",
        "Something changed after the plan was shown, so what would happen is not what was agreed to.",
        "Look at a new plan, then deploy it.",
    ),
    "git_missing": Explanation(
        "git is not installed",
        "The machine that runs this step has no git.",
        "Install git on it, then retry.",
    ),
}
