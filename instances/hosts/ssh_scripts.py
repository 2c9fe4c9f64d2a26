"""The constant sh scripts by which a server is asked; values come as arguments, content by standard input."""

import shlex
from collections.abc import Sequence

PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

# Exit codes of our own scripts, and what they mean.
MISSING, LINK, NOT_A_FILE, RUNS = 44, 40, 41, 45

# How long a connection lives that a command passes on.
FORWARD_SECONDS = 3600.0

# $1 seconds after which the whole group is killed, $2 folder, then the command. The shell stays, so that
# a command that dies of a signal has an exit code, and waits in the one way that says nothing about it.
RUN = (
    f"PATH={PATH}; export PATH"
    r"""
seconds=$1; cd "$2" 2>/dev/null || cd /; shift 2
command -v -- "$1" >/dev/null || { printf '%s: command not found\n' "$1" >&2; exit 127; }
exec 3>&2 4<&0 2>/dev/null
timeout -s KILL "$seconds" "$@" <&4 2>&3 3>&- 4<&- &
wait $!
exit $?"""
)

# Goes from the root ($1) to the folder in which a path ($2) lies, one step at a time; sets `name`.
# Where a step led is looked at afterwards: a link that is put there in between leads nowhere either.
_WALK = r"""set -u; umask 077
root=$1; path=$2; shift 2
walk() {  # $1: make missing folders
  if [ "$1" = make ] && ! [ -d "$root/trash" ]; then
    mkdir -p -m 755 -- "$root" && mkdir -p -- "$root/jobs" "$root/fences" "$root/trash" || exit 74
  fi
  cd -- "$root" 2>/dev/null || exit 44
  here=$(pwd -P)
  while :; do
    case $path in */*) step=${path%%/*}; path=${path#*/} ;; *) name=$path; return ;; esac
    [ -L "$step" ] && exit 40
    if [ "$1" = make ] && ! [ -e "$step" ]; then
      mkdir -m 755 -- "$step" || [ -d "$step" ] || exit 74
    fi
    [ -d "$step" ] || exit 44
    cd -- "$step" || exit 74
    here=$here/$step
    [ "$(pwd -P)" = "$here" ] || exit 40
  done
}
"""

_TAKE = r"""
take() {  # $1 name, $2 size, $3 mode: standard input becomes the file, or nothing does
  new=.new.$$
  rm -f -- "./$new"
  ( set -C; head -c "$2" >"./$new" ) && [ "$(wc -c <"./$new")" -eq "$2" ] && chmod "$3" "./$new" \
    && { [ "${4-}" != sync ] || sync -- "./$new"; } && mv -fT -- "./$new" "./$1" && return
  code=$?
  rm -f -- "./$new"
  return "$code"
}
"""

_THROW_AWAY = r"""
throw_away() {  # out of sight at once, deleted behind our back: it may hold much
  mv -T -- "./$1" "$root/trash/$$.$(date +%s%N)" || exit 74
  setsid -f sh -c 'cd "$1" && chmod -R u+rwX . && rm -rf -- *' sh "$root/trash" </dev/null >/dev/null 2>&1
}
"""

# $3 size, $4 mode
PUT = (
    _WALK
    + _TAKE
    + r"""
walk make
take "$name" "$1" "$2" sync || exit 74
sync -- .
"""
)

# $3 limit
READ = (
    _WALK
    + r"""
walk stay
[ -L "$name" ] && exit 40
[ -e "$name" ] || exit 44
[ -f "$name" ] || exit 41
exec head -c "$1" -- "./$name"
"""
)

REMOVE = (
    _WALK
    + _THROW_AWAY
    + r"""
walk stay
if [ -d "$name" ] && ! [ -L "$name" ]; then throw_away "$name"; else rm -f -- "./$name"; fi
"""
)

# What instances/hosts/local_jobs.py says of a job, in the same order: sets `code`, empty while it runs.
_STATE = r"""
written() {
  code=
  [ -e exit ] || return 1
  read -r code <exit || :
  case ${code:-x} in *[!0-9]*) code=-1 ;; esac
}
lives() {
  { read -r pgid born boot <pgid; } 2>/dev/null || return 1
  read -r now </proc/sys/kernel/random/boot_id
  [ "$now" = "$boot" ] || return 1
  if { read -r stat <"/proc/$pgid/stat"; } 2>/dev/null; then
    # A later process with the same number, as in a container that was started anew.
    set -- ${stat##*) }
    [ "${20-}" = "$born" ] || return 1
  fi
  for entry in /proc/[0-9]*/stat; do
    { read -r stat <"$entry"; } 2>/dev/null || continue
    set -- ${stat##*) }
    [ "${3-}" = "$pgid" ] && [ "${1-}" != Z ] && return 0
  done
  return 1
}
locked() { [ -e lock ] && exec 9<lock && ! flock -sn 9; }
look() {
  written && return
  locked && return
  exec 9<&-
  written && return
  [ -e started ] || return 44
  lives || code=-1
}
"""

# $1 folder of the job, $2 offset, $3 limit: a line with the code and the size of the log, then its piece.
POLL = (
    _STATE
    + r"""
cd -- "$1" 2>/dev/null || exit 44
offset=$2 limit=$3
look || exit 44
size=0
[ -e log ] && size=$(wc -c <log)
printf '%s %s\n' "${code:--}" "$size"
[ "$offset" -lt "$size" ] || exit 0
exec dd if=log bs=256K skip="$offset" count="$limit" iflag=skip_bytes,count_bytes status=none
"""
)

# $1 root, $2 path of the job's folder, $3 name of the draft, $4 and $5 sizes of runner and script, $6 whether
# it is fenced, then the runner's own command.
START = (
    _WALK
    + _TAKE
    + r"""
draft=$1 runner_size=$2 script_size=$3 fenced=$4; shift 4
if [ -e "$root/$path/started" ]; then
  [ "$fenced" = 1 ] || exit 0
else
  path=$path/x; walk make
  chmod 700 .
  take runner "$runner_size" 600 && take "$draft" "$script_size" 600 || exit 74
fi
exec "$@"
"""
)

# $1 the job's runner, then its command
STOP = r"""[ -e "$1" ] || exit 0; shift; exec "$@" """

# $1 root, $2 unused, $3 id
FORGET = (
    _WALK
    + _THROW_AWAY
    + _STATE
    + r"""
id=$1
cd -- "$root/jobs/$id" 2>/dev/null || exit 0
look && [ -z "$code" ] && exit 45
cd -- "$root/jobs" && throw_away "$id"
path=files/$id; walk stay
if [ -d "$name" ] && ! [ -L "$name" ]; then throw_away "$name"; else rm -f -- "./$name"; fi
"""
)

# Twice, for the kernel may leave lines out of a table that changes while it is read.
TABLES = 'set -- /proc/net/tcp; [ ! -e /proc/net/tcp6 ] || set -- "$@" /proc/net/tcp6; cat "$@" "$@"'

# $1 port. Whoever waits is told once the port answered.
FORWARD = r"""exec 3<>"/dev/tcp/127.0.0.1/$1" || exit 111
printf 'ok\n'; cat >&3 <&0 & cat <&3; kill $!"""


def command_line(argv: Sequence[str], *, root: str, seconds: float, sudo: bool) -> str:
    """The one line that a login shell gets; every value in it is quoted."""
    words = ["sh", "-c", RUN, "sh", f"{seconds:g}", root, *argv]
    return "exec " + shlex.join(["sudo", "-n", *words] if sudo else words)
