"""The shell scripts that run git on a host. Every value passes `assign`; the texts below are constant."""

import shlex

from deployments import manifest
from deployments.pipeline.git.remote import Remote

DOCKERFILE_LIMIT = 1 << 20
LOOK_SECONDS = 30

# A private folder and the secrets are gone when the script ends, however it ends.
BEGIN = """\
set -eu
umask 022
# Only a script that was given files may believe that FILES is its own.
if [ "$has_files" = 1 ]; then FILES="${FILES:?}"; else FILES=""; fi
work=""
finish() {
  status=$?
  trap - EXIT
  [ -z "$work" ] || rm -rf -- "$work"
  [ -z "$FILES" ] || rm -rf -- "$FILES"
  exit "$status"
}
trap finish EXIT
trap 'exit 143' TERM
trap 'exit 130' INT
trap 'exit 129' HUP
cd /
command -v git >/dev/null || { echo "git is not installed on this machine" >&2; exit 127; }
"""

# git sees this environment and no other, no configuration of the machine or a person, and no hooks.
RUN_GIT = """\
ssh_command='ssh -F /dev/null -o BatchMode=yes -o ConnectTimeout=10 -o ServerAliveInterval=10'
ssh_command="$ssh_command -o ServerAliveCountMax=3 -o IdentityAgent=none -o IdentitiesOnly=yes -o ForwardAgent=no"
ssh_command="$ssh_command -o GlobalKnownHostsFile=/dev/null -o UpdateHostKeys=no -o PermitLocalCommand=no"
ssh_command="$ssh_command -o ProxyCommand=none -o ClearAllForwardings=yes -o PasswordAuthentication=no"
if [ "$has_key" = 1 ]; then
  ssh_command="$ssh_command"' -i "$FILES/deploy_key"'
else
  ssh_command="$ssh_command -o IdentityFile=none"
fi
if [ "$knows_host" = 1 ]; then
  ssh_command="$ssh_command"' -o StrictHostKeyChecking=yes -o "UserKnownHostsFile=\\"$FILES/known_hosts\\""'
else
  ssh_command="$ssh_command"' -o StrictHostKeyChecking=accept-new -o "UserKnownHostsFile=\\"$KNOWN_HOSTS\\""'
fi
if [ -n "$ssh_address" ]; then
  ssh_command="$ssh_command -o HostKeyAlias=$ssh_host -o HostName=$ssh_address"
fi
askpass=""
if [ -n "$FILES" ] && [ -f "$FILES/askpass" ]; then
  askpass="$FILES/askpass"
  chmod 700 "$askpass"
fi
run_git() {
  seconds="$1"
  shift
  timeout --foreground -k 5 "$seconds" env -i PATH="$PATH" HOME=/nonexistent LC_ALL=C.UTF-8 \\
    FILES="$FILES" KNOWN_HOSTS="$known_hosts" GIT_ORIGIN="$origin" GIT_ASKPASS="$askpass" \\
    GIT_CONFIG_NOSYSTEM=1 GIT_CONFIG_SYSTEM=/dev/null GIT_CONFIG_GLOBAL=/dev/null GIT_ATTR_NOSYSTEM=1 \\
    GIT_TERMINAL_PROMPT=0 GIT_ALLOW_PROTOCOL="$protocol" GIT_PROTOCOL_FROM_USER=0 GIT_LFS_SKIP_SMUDGE=1 \\
    GIT_SSH_COMMAND="$ssh_command" GIT_SSH_VARIANT=ssh GIT_OPTIONAL_LOCKS=0 \\
    git -c protocol.version=2 -c http.followRedirects=false -c http.proxy= \\
    -c http.lowSpeedLimit=1000 -c http.lowSpeedTime=20 ${curl_resolve:+-c "http.curloptResolve=$curl_resolve"} \\
    -c credential.helper= -c core.hooksPath=/dev/null -c core.fsmonitor=false -c core.autocrlf=false \\
    -c gc.auto=0 -c maintenance.auto=false -c submodule.recurse=false -c fetch.recurseSubmodules=false \\
    -c advice.detachedHead=false -c init.defaultBranch=main "$@" </dev/null
}
"""

# Servers that do not hand out a commit by its id are asked for the ref, at last for everything.
FETCH = """\
have_commit() {
  run_git 20 --git-dir="$1" cat-file -e "$commit^{commit}" 2>/dev/null
}
fetch_commit() {
  repository="$1"
  source="$2"
  shift 2
  if run_git "$seconds_to_fetch" --git-dir="$repository" fetch -q --no-tags --depth=1 "$@" -- "$source" "$commit" \\
    2>"$work/errors"; then
    return 0
  fi
  if ! grep -Eq "not our ref|unadvertised object|couldn't find remote ref|does not allow request" "$work/errors"; then
    cat "$work/errors" >&2
    return 1
  fi
  echo "The server does not hand out this commit by its id; fetching more."
  if [ -n "$ref" ] && run_git "$seconds_to_fetch" --git-dir="$repository" fetch -q --no-tags --depth=1 "$@" \\
    -- "$source" "$ref" 2>/dev/null && have_commit "$repository"; then
    return 0
  fi
  whole=""
  [ ! -f "$repository/shallow" ] || whole="--unshallow"
  run_git "$seconds_to_fetch" --git-dir="$repository" fetch -q $whole "$@" -- "$source" \\
    '+refs/heads/*:refs/remotes/origin/*' '+refs/tags/*:refs/tags/*'
  have_commit "$repository" || { echo "fatal: commit $commit is not in the repository" >&2; return 1; }
}
"""

# A partial fetch: the tree without file contents, and then the files that are wanted.
INSPECT = """\
work="$(mktemp -d)"
rm -rf -- "$out"
mkdir -p -- "$out"
repository="$work/repository"
run_git 20 init -q --bare --template= -- "$repository"
run_git 20 --git-dir="$repository" config remote.origin.url "$url"
run_git 20 --git-dir="$repository" config remote.origin.promisor true
run_git 20 --git-dir="$repository" config remote.origin.partialclonefilter blob:none
fetch_commit "$repository" origin --filter=blob:none
run_git 20 --git-dir="$repository" show -s --format='%s%n%an' "$commit" >"$out/commit"
run_git 20 --git-dir="$repository" ls-tree "$commit" -- "$manifest" >"$work/entry"
mode="" object="" name=""
read -r mode kind object name <"$work/entry" || true
case "$mode" in
  100644 | 100755)
    run_git "$seconds_to_fetch" --git-dir="$repository" cat-file blob "$object" >"$work/manifest"
    head -c "$manifest_limit" "$work/manifest" >"$out/manifest"
    ;;
  "") ;;
  *) echo yes >"$out/manifest_is_no_file" ;;
esac
run_git 20 --git-dir="$repository" ls-tree "$commit" -- "$dockerfile" >"$work/entry"
mode="" object="" name=""
read -r mode kind object name <"$work/entry" || true
case "$mode" in
  100644 | 100755)
    run_git "$seconds_to_fetch" --git-dir="$repository" cat-file blob "$object" >"$work/dockerfile"
    head -c "$limit" "$work/dockerfile" >"$out/dockerfile"
    found=file
    ;;
  "") found=missing ;;
  120000) found=link ;;
  *) found=other ;;
esac
if [ "$found" != file ]; then
  run_git 20 --git-dir="$repository" ls-tree -r --name-only "$commit" >"$work/names"
  grep -E '(^|/)([Dd]ockerfile|[Cc]ontainerfile)[^/]*$' "$work/names" | head -n 5 >"$out/candidates" || true
fi
echo "$found" >"$out/found"
"""

# The configuration is written anew before git looks at a kept folder: a build may have touched it.
CLEAN = """\
is_clean() {
  [ -d "$1/.git" ] && [ ! -L "$1/.git" ] && [ ! -e "$1/.git/commondir" ] || return 1
  rm -rf -- "$1/.git/config" "$1/.git/config.worktree" "$1/.git/info" "$1/.git/hooks"
  printf '[core]\\n\\trepositoryformatversion = 0\\n\\tfilemode = true\\n\\tbare = false\\n' >"$1/.git/config"
  [ "$(run_git 10 -C "$1" rev-parse HEAD)" = "$commit" ] || return 1
  changed="$(run_git 60 -C "$1" status --porcelain --ignored --untracked-files=all)" || return 1
  [ -z "$changed" ]
}
"""

# The folder appears under its name only when it is whole, so two that make it at once do no harm.
CHECK_OUT = """\
parent="$(dirname -- "$target")"
mkdir -p -- "$parent"
if is_clean "$target"; then
  echo "The checkout of $commit is there."
  exit 0
fi
work="$(mktemp -d -- "$parent/.new-XXXXXX")"
tree="$work/tree"
run_git 20 init -q --template= -- "$tree"
fetch_commit "$tree/.git" "$url"
run_git 120 -C "$tree" checkout -q --detach "$commit"
[ "$(run_git 10 -C "$tree" rev-parse HEAD)" = "$commit" ]
rm -f -- "$tree/.git/FETCH_HEAD"
echo "Checked out $commit: $(run_git 20 -C "$tree" ls-files | wc -l) files."
[ ! -f "$tree/.gitmodules" ] || echo "Note: the repository has submodules; they are not fetched."
if grep -qs 'filter=lfs' "$tree/.gitattributes"; then
  echo "Note: the repository uses Git LFS; large files are pointers, not contents."
fi
# One at a time: a whole checkout that somebody else has just put there stays, for it may be in use.
exec 8<"$parent"
flock -w 60 8
if ! is_clean "$target"; then
  [ ! -e "$target" ] || mv -T -- "$target" "$work/old"
  mv -T -- "$tree" "$target"
fi
"""

# Fixed names and dates: the same content gives the same commit id on every machine.
SNAPSHOT = """\
if [ ! -f "$target/HEAD" ]; then
  mkdir -p -- "$(dirname -- "$target")"
  work="$(mktemp -d -- "$target.new-XXXXXX")"
  run_git 10 init -q --bare --template= -- "$work/repository"
  run_git 10 --git-dir="$work/repository" config uploadpack.allowAnySHA1InWant true
  run_git 10 --git-dir="$work/repository" config uploadpack.allowFilter true
  mv -T -- "$work/repository" "$target" 2>/dev/null || [ -f "$target/HEAD" ]
  rm -rf -- "$work"
fi
work="$(mktemp -d)"
in_snapshot() {
  env GIT_INDEX_FILE="$work/index" GIT_AUTHOR_NAME=Examples GIT_AUTHOR_EMAIL=examples@portal.invalid \\
    GIT_COMMITTER_NAME=Examples GIT_COMMITTER_EMAIL=examples@portal.invalid \\
    GIT_AUTHOR_DATE='2024-01-01T00:00:00Z' GIT_COMMITTER_DATE='2024-01-01T00:00:00Z' \\
    GIT_CONFIG_NOSYSTEM=1 GIT_CONFIG_GLOBAL=/dev/null GIT_ATTR_NOSYSTEM=1 LC_ALL=C.UTF-8 \\
    timeout --foreground -k 5 10 \\
    git -c core.hooksPath=/dev/null -c core.autocrlf=false -c core.excludesFile=/dev/null -c core.fsmonitor=false \\
    --git-dir="$target" --work-tree="$folder" "$@" </dev/null
}
cd -- "$folder"
in_snapshot add -A -- . ':(exclude,glob)**/__pycache__/**' ':(exclude,glob)**/.venv/**'
tree="$(in_snapshot write-tree)"
new="$(in_snapshot commit-tree -m "$message" "$tree")"
[ "$(in_snapshot rev-parse -q --verify refs/heads/main || true)" = "$new" ] ||
  in_snapshot update-ref refs/heads/main "$new"
echo "$new"
"""


def resolve_script(remote: Remote, ref: str, *, root: str) -> str:
    """Print the default branch, its commit, and the commits that go by this name."""
    patterns = ["HEAD"]
    if ref:
        patterns += [f"refs/heads/{ref}", f"refs/tags/{ref}", f"refs/tags/{ref}^{{}}"]
    return _with_git(remote, root) + _list_refs(remote, patterns)


def list_script(remote: Remote, *, root: str) -> str:
    """Print all branches and tags."""
    return _with_git(remote, root) + _list_refs(remote, ["HEAD", "refs/heads/*", "refs/tags/*"])


def inspect_script(
    remote: Remote, *, commit: str, ref: str, dockerfile: str, out: str, root: str, seconds: int = 100
) -> str:
    """Write into `out`: found, dockerfile, commit, manifest, and candidates when there is no Dockerfile."""
    values = assign(
        url=remote.url, commit=commit, ref=ref, dockerfile=dockerfile, out=out,
        limit=str(DOCKERFILE_LIMIT), manifest=manifest.NAME, manifest_limit=str(manifest.LIMIT + 1),
        seconds_to_fetch=str(seconds),
    )  # fmt: skip
    return _with_git(remote, root) + values + FETCH + INSPECT


def checkout_script(
    remote: Remote, *, commit: str, ref: str, target: str, root: str, seconds: int = 270
) -> str:
    """Put the files of a commit into `target`, which is an absolute path; a clean checkout there is kept."""
    values = assign(url=remote.url, commit=commit, ref=ref, target=target, seconds_to_fetch=str(seconds))
    return _with_git(remote, root) + values + FETCH + CLEAN + CHECK_OUT


def is_clean_script(*, commit: str, target: str, root: str) -> str:
    """Exit with 0 when `target` is an untouched checkout of the commit."""
    nowhere = Remote(url="", protocol="", origin="")
    return _with_git(nowhere, root) + assign(commit=commit, target=target) + CLEAN + 'is_clean "$target"\n'


def snapshot_script(*, folder: str, target: str, name: str) -> str:
    """Make a bare repository of a folder, and print its one commit."""
    nowhere = Remote(url="", protocol="", origin="")
    values = assign(folder=folder, target=target, message=f"Example {name}")
    return _with_git(nowhere, "/") + values + SNAPSHOT


def _list_refs(remote: Remote, patterns: list[str]) -> str:
    return f"run_git {LOOK_SECONDS} {shlex.join(['ls-remote', '--symref', '--', remote.url, *patterns])}\n"


def _with_git(remote: Remote, root: str) -> str:
    """What every script begins with: clean-up, and a git that knows this remote."""
    host, _, rest = remote.pinned_address.partition(":")
    is_ssh = remote.protocol == "ssh"
    values = assign(
        has_files=str(int(bool(remote.files))), protocol=remote.protocol, origin=remote.origin, known_hosts=f"{root}/git/known_hosts",
        has_key=str(int(remote.has_key)), knows_host=str(int(remote.knows_host)),
        curl_resolve="" if is_ssh else remote.pinned_address,
        ssh_host=host if is_ssh else "", ssh_address=rest.partition(":")[2].strip("[]") if is_ssh else "",
    )  # fmt: skip
    folder = f"mkdir -p -- {shlex.quote(f'{root}/git')}\n" if is_ssh and not remote.knows_host else ""
    return values + BEGIN + folder + RUN_GIT


def assign(**values: str) -> str:
    """Assignments of shell variables: the one place where a value becomes part of a script."""
    return "".join(f"{name}={shlex.quote(value)}\n" for name, value in values.items())
