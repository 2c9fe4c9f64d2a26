"""Jobs as they lie on a host: a folder each, and the small runner that starts, watches and ends one.

The runner is plain POSIX sh, `flock` and `setsid`, so the same text works on this machine and over SSH.
A job's folder holds `script`, `runner`, and what the runner makes:

    lock       held by the runner as long as it lives; whoever gets it may begin the job
    started    the job has begun; from here on starting it is a no-op
    pgid       the process group of the script, with its start time and the boot it belongs to
    log        standard output and standard error
    stopped    somebody asked the job to stop; holds the grace in tenths of a second
    exit       the exit code; written last, after the last process of the group has ended

Nothing is remembered in the memory of whoever started the job. That process may die at any point:
without `started` the job is begun by the next start, with it the job runs on.
"""

import re

from instances.hosts.base import HostError, HostRefused, Result, StaleFence

RUNNER = r"""#!/bin/sh
# Starts, runs and stops the job in whose folder it lies.
set -u
umask 077
cd "${0%/*}" || exit 74

read_born() {  # sets born: when process $1 started, in ticks since boot
  { read -r stat <"/proc/$1/stat"; } 2>/dev/null || return 1
  set -- ${stat##*) }
  born=${20-}
}

has_members() {  # zombies do not count: some init processes leave them lying for seconds
  for entry in /proc/[0-9]*/stat; do
    { read -r stat <"$entry"; } 2>/dev/null || continue
    set -- ${stat##*) }
    [ "${3-}" = "$pgid" ] && [ "${1-}" != Z ] && return 0
  done
  return 1
}

is_alive() {  # whether the script's group is there, and is no later group with the same number
  { read -r pgid was_born was_boot <pgid; } 2>/dev/null || return 1
  read -r boot </proc/sys/kernel/random/boot_id
  [ "$boot" = "$was_boot" ] || return 1
  if read_born "$pgid" && [ "$born" != "$was_born" ]; then return 1; fi
  kill -s 0 -- "-$pgid" 2>/dev/null && has_members
}

signal_group() {
  kill -s "$1" -- "-$pgid" 2>/dev/null
}

wait_for_end() {  # at most $1 tenths of a second
  tenths=$1
  while [ "$tenths" -gt 0 ] && is_alive; do
    sleep 0.1
    tenths=$((tenths - 1))
  done
  ! is_alive
}

take_fence() {  # keeps the fence locked until the job has begun, so that begun jobs are in fence order
  exec 8<>"$1"
  flock -w 5 8 || leave 75
  read -r seen <&8 || :
  [ "${seen:-0}" -le "$2" ] || leave 73
  # One write of a fixed width in place: it is never half there.
  printf '%020d\n' "$2" 1<>"$1" || leave 74
}

take_lock() {  # tried again, since somebody who only looks whether it is held, holds it for a moment
  exec 9>>lock
  tries=0
  until flock -n 9; do
    [ -e started ] && leave 0
    tries=$((tries + 1))
    [ "$tries" -lt 100 ] || leave 75
    sleep 0.05
  done
}

leave() {
  rm -f "$draft"
  exit "$1"
}

case $1 in
  start)
    draft=$2 seen=
    [ -z "$3" ] || take_fence "$3" "$4"
    [ -e started ] && leave 0
    take_lock
    [ -e started ] && leave 0
    mv "$draft" script || leave 74
    # Its block on the disk is taken now, so that the exit code has a place when the disk is full.
    printf '    \n' >exit.new || exit 74
    setsid sh ./runner run </dev/null >/dev/null 2>&1 &
    ;;

  run)
    : >started || exit 74
    exec 8>&-
    setsid sh ./runner script >log 2>&1
    code=$?
    # What the script left behind ends with it; a job has ended when all its processes have.
    if is_alive; then
      if [ -e stopped ]; then
        read -r grace <stopped || grace=50
        wait_for_end $((grace + 10))
      else
        signal_group TERM
        wait_for_end 20
      fi || signal_group KILL
      wait_for_end 50
    fi
    tries=0
    until { printf '%-4d\n' "$code" 1<>exit.new && mv exit.new exit; } 2>/dev/null; do
      tries=$((tries + 1))
      [ "$tries" -lt 600 ] || exit 74
      sleep 1
    done
    ;;

  script)
    read_born "$$"
    read -r boot </proc/sys/kernel/random/boot_id
    printf '%s %s %s\n' "$$" "$born" "$boot" >pgid.new && mv pgid.new pgid || exit 74
    # Whoever stops the job writes `stopped` before looking for `pgid`: one of us two sees the other.
    [ -e stopped ] && exit 143
    exec 8>&- 9>&-
    script=$PWD/script
    umask 022
    cd ../.. && exec sh "$script" </dev/null
    exit 74
    ;;

  stop)
    # An empty file does as well: there may be no space left, which is no reason to run on.
    { printf '%s\n' "$2" >stopped; } 2>/dev/null
    is_alive || exit 0
    signal_group TERM
    setsid sh ./runner kill "$2" </dev/null >/dev/null 2>&1 &
    ;;

  kill)
    wait_for_end "$2" || signal_group KILL
    ;;
esac
"""

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,199}")


def check_name(name: str) -> str:
    """Return a job's id or a fence's key that is fit to be a file name; refuse any other."""
    if not _NAME.fullmatch(name):
        raise ValueError(f"{name!r} cannot name a job or a fence.")
    return name


def folder(root: str, id: str) -> str:
    return f"{root}/jobs/{check_name(id)}"


def start_command(root: str, id: str, draft: str, fence: tuple[str, int] | None) -> list[str]:
    """The short command that begins a job, with its script lying in the folder under the name `draft`.

    Only the start that wins makes the draft the script; any other removes its own.
    """
    key, number = fence or ("", 0)
    path = f"{root}/fences/{check_name(key)}" if fence else ""
    return ["sh", f"{folder(root, id)}/runner", "start", draft, path, str(int(number))]


def stop_command(root: str, id: str, grace: float) -> list[str]:
    """The short command that asks a job to end and leaves somebody behind who sees to it."""
    return ["sh", f"{folder(root, id)}/runner", "stop", str(max(0, round(grace * 10)))]


def is_full(said: str) -> bool:
    """Whether a command complained of a disk without room."""
    return "No space left" in said or "Disk quota" in said


def check_outcome(result: Result, fence: tuple[str, int] | None = None) -> None:
    """Raise what the runner's exit code means."""
    if result.ok:
        return
    if result.code == 73 and fence:
        raise StaleFence(f"{fence[0]} was taken over by a number above {fence[1]}.")
    if result.code == 75:
        raise HostError("The job is locked by somebody who does not let go.")
    if is_full(result.err):
        raise HostRefused("disk_full", "No space is left on the disk where jobs are kept.")
    reason = result.err.strip() or f"exit code {result.code}"
    raise HostError(f"The job could not be started or stopped: {reason}")
