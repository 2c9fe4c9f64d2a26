#!/bin/sh
# Makes a Linux server ready for the portal. May be run again at any time: what is there is left alone.
#
#     sh bootstrap.sh docker | nginx | git | extras      one part
#     sh bootstrap.sh all [IMAGE...]                     all of them, and these images pulled beside
#     sh bootstrap.sh warm IMAGE...                      these images pulled
#
# PORTAL_DOCKER_SOURCE is `distribution` or `docker` (packages of download.docker.com).
# PORTAL_EXTRAS holds any of: swap sysctl firewall tools.
# PORTAL_PUBLIC_PORTS is what the firewall lets in beside 22, 80 and 443.
# When it fails, the last line is `portal-bootstrap: failed: <word> <sentence>`.
#
# shellcheck disable=SC2046
set -u
umask 022
export LC_ALL=C DEBIAN_FRONTEND=noninteractive NEEDRESTART_SUSPEND=1 APT_LISTCHANGES_FRONTEND=none
export PATH="/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin${PATH:+:$PATH}"

source=${PORTAL_DOCKER_SOURCE:-distribution}
extras=${PORTAL_EXTRAS:-}
public_ports=${PORTAL_PUBLIC_PORTS:-8001:8099}
state=${PORTAL_STATE:-/var/lib/portal}
wait_seconds=${PORTAL_WAIT_SECONDS:-600}
log=$state/bootstrap.log
# In memory, so that it is there when the disk is full.
work=/run/portal-bootstrap.$$
output=$work/packages
began=$(date +%s)

say() { echo "portal-bootstrap: $*"; }

fail() {
  word=$1
  shift
  say "failed: $word $*"
  case $word in
    usage) exit 64 ;;
    no_root) exit 10 ;;
    unsupported_os) exit 11 ;;
    no_network) exit 12 ;;
    disk_full) exit 13 ;;
    apt_locked) exit 14 ;;
    service_failed) exit 15 ;;
    *) exit 1 ;;
  esac
}

has() { command -v "$1" >/dev/null 2>&1; }
is_past() { [ $(($(date +%s) - began)) -ge "$1" ]; }
has_systemd() { [ -d /run/systemd/system ]; }

# What is there already.

docker_is_ready() { has docker && [ -n "$(docker version --format '{{.Server.Version}}' 2>/dev/null)" ]; }

nginx_is_ready() {
  has nginx || return 1
  if has_systemd; then systemctl -q is-active nginx; else nginx_runs; fi
}

nginx_runs() {
  { read -r nginx_pid </run/nginx.pid; } 2>/dev/null && kill -0 "$nginx_pid" 2>/dev/null
}

is_ready() {
  case $1 in
    docker) docker_is_ready ;;
    nginx) nginx_is_ready ;;
    git) has git ;;
    all) [ -z "$extras" ] && docker_is_ready && nginx_is_ready && has git ;;
    *) return 1 ;;
  esac
}

# Packages.

find_system() {
  ID='' VERSION_ID='' VERSION_CODENAME=''
  # shellcheck disable=SC1091
  [ ! -r /etc/os-release ] || . /etc/os-release
  if has apt-get; then manager=apt; elif has dnf; then manager=dnf; else
    fail unsupported_os "This system (${PRETTY_NAME:-unknown}) has neither apt nor dnf. Use Debian, Ubuntu or Amazon Linux 2023."
  fi
}

check_disk() {  # at least so many MB wherever packages go
  for folder in /var/lib /var/lib/dpkg /var/lib/docker /var/cache "$state"; do
    [ -d "$folder" ] || continue
    free=$(df -Pk "$folder" | awk 'NR == 2 { print int($4 / 1024) }')
    [ "$free" -ge "$1" ] || fail disk_full "Only $free MB are free at $folder; packages need 700 MB."
  done
}

# What the last command of the package manager said, in our words.
explain() {
  check_disk 20
  if grep -qiE 'no space left|enough free space|disk full|disk quota' "$output"; then
    fail disk_full "No space is left for packages."
  elif grep -qE 'Could not get lock|Unable to lock|Unable to acquire' "$output"; then
    fail apt_locked "Another program kept the package manager locked for $wait_seconds seconds."
  elif grep -qiE 'could not resolve|temporary failure|failed to fetch|could not connect|timed out|unreachable|cannot download|curl error|connection refused' "$output"; then
    fail no_network "The package servers cannot be reached: $(last_error)"
  fi
  fail package_failed "$1 could not be installed: $(last_error)"
}

last_error() {
  { grep -E '^(E:|Error|dpkg: error|curl:)' "$output" || tail -n 1 "$output"; } | tail -n 1 | cut -c1-300
}

# Runs a command of the package manager: what it says is shown, and kept for `explain`.
managed() {
  { "$@" </dev/null 2>&1; echo $? >"$work/code"; } 9>&- | tee -a "$output"
  read -r code <"$work/code" || return 1
  return "$code"
}

apt() {
  while true; do
    managed timeout 1800 apt-get -qq -y -o DPkg::Lock::Timeout=10 -o Dpkg::Use-Pty=0 \
      -o Dpkg::Options::=--force-unsafe-io -o Dpkg::Options::=--force-confold \
      -o Acquire::Languages=none -o Acquire::Retries=2 -o Acquire::http::Timeout=30 "$@" && return 0
    tail -n 3 "$output" | grep -qE 'Could not get lock|Unable to lock|Unable to acquire' || return 1
    is_past "$wait_seconds" && return 1
    say "waiting: $(last_error)"
    : >"$output"
    sleep 2
  done
}

update_lists() {
  fresh=$(find "$state" -maxdepth 1 -name apt-updated -mmin -30)
  [ -z "$fresh" ] || return 0
  say "reading the package lists"
  # A foreign list that cannot be read is no reason to stop: whether ours can be shows at the installation.
  apt update && touch "$state/apt-updated"
}

install() {
  what=$1
  shift
  check_disk 700
  : >"$output"
  say "installing $what: $*"
  if [ "$manager" = dnf ]; then
    managed timeout 1800 dnf -q -y --setopt=install_weak_deps=False install "$@" || explain "$what"
    return 0
  fi
  update_lists
  [ -z "$(dpkg --audit)" ] || managed dpkg --force-confold --configure -a
  apt --no-install-recommends install "$@" && return 0
  # The lists may be older than what the servers hold.
  if grep -qE '404 |Unable to locate|no installation candidate' "$output"; then
    rm -f "$state/apt-updated"
    update_lists
    apt --no-install-recommends install "$@" && return 0
  fi
  explain "$what"
}

start_service() {
  if has_systemd; then
    systemctl -q enable "$1" >/dev/null 2>&1
    systemctl start "$1" 9>&-
  else
    service "$1" start >/dev/null 2>&1 9>&-
  fi
}

wait_for() {
  tries=0
  until is_ready "$1"; do
    tries=$((tries + 1))
    if [ "$tries" -gt 150 ]; then
      has_systemd && journalctl -u "$1" -n 20 --no-pager
      fail service_failed "$1 is installed, but does not run."
    fi
    sleep 0.2
  done
}

# The parts.

use_docker_repository() {
  if [ "$manager" != apt ]; then
    say "Docker's own repository is only used with apt; the distribution's package is taken."
    return 1
  fi
  { has curl && [ -e /etc/ssl/certs/ca-certificates.crt ]; } || install "curl" curl ca-certificates
  base=debian
  [ "$ID" != ubuntu ] || base=ubuntu
  mkdir -p /etc/apt/keyrings
  managed curl -fsS --max-time 30 -o /etc/apt/keyrings/docker.asc "https://download.docker.com/linux/$base/gpg" ||
    fail no_network "The key of download.docker.com could not be fetched: $(last_error)"
  echo "deb [arch=$(dpkg --print-architecture) signed-by=/etc/apt/keyrings/docker.asc]" \
    "https://download.docker.com/linux/$base $VERSION_CODENAME stable" >/etc/apt/sources.list.d/docker.list
  rm -f "$state/apt-updated"
}

configure_docker() {
  [ ! -e /etc/docker/daemon.json ] || return 0
  mkdir -p /etc/docker
  printf '%s\n' '{"log-driver": "json-file", "log-opts": {"max-size": "10m", "max-file": "3"}}' \
    >/etc/docker/daemon.json
}

# What else goes into the same installation, since each one takes its time.
missing_basics() {
  has git || printf 'git '
  [ -e /etc/ssl/certs/ca-certificates.crt ] || [ "$manager" = dnf ] || printf 'ca-certificates'
}

part_docker() {
  if ! has docker || ! has dockerd; then
    configure_docker
    if [ "$source" = docker ] && use_docker_repository; then
      install Docker docker-ce docker-ce-cli containerd.io docker-buildx-plugin docker-compose-plugin $(missing_basics)
    elif [ "$manager" = apt ]; then
      install Docker docker.io iptables $(missing_basics)
    else
      install Docker docker $(missing_basics)
    fi
  fi
  start_service docker
  wait_for docker
}

part_nginx() {
  if ! has nginx; then
    package=nginx
    # Before these releases the plain name brought modules for images, mail and XSLT.
    case $ID-${VERSION_ID%%.*} in
      ubuntu-1? | ubuntu-20 | ubuntu-22 | debian-10 | debian-11) package=nginx-light ;;
    esac
    install NGINX "$package"
  fi
  start_service nginx
  wait_for nginx
}

part_git() {
  has git || install Git $(missing_basics)
}

part_extras() {
  for extra in $extras; do
    case $extra in
      swap) extra_swap ;;
      sysctl) extra_sysctl ;;
      firewall) extra_firewall ;;
      tools) extra_tools ;;
      *) fail usage "There is no extra named $extra." ;;
    esac
  done
  touch "$state/extras.done"
}

extra_swap() {
  [ "$(wc -l </proc/swaps)" -le 1 ] || return 0
  free=$(df -Pk / | awk 'NR == 2 { print int($4 / 1024) }')
  if [ -e /swapfile ] || [ "$free" -lt 6144 ]; then
    say "no swap was made: $free MB are free, 6144 MB are needed, or /swapfile is there already."
    return 0
  fi
  if fallocate -l 2G /swapfile && chmod 600 /swapfile && mkswap /swapfile >/dev/null && swapon /swapfile; then
    grep -q '^/swapfile ' /etc/fstab || echo '/swapfile none swap sw 0 0' >>/etc/fstab
    say "2 GB of swap are in use"
  else
    rm -f /swapfile
    say "no swap was made: this system does not allow it."
  fi
}

extra_sysctl() {
  printf '%s\n' 'net.core.somaxconn = 4096' 'vm.swappiness = 10' 'fs.inotify.max_user_instances = 512' \
    >/etc/sysctl.d/60-portal.conf
  sysctl -q -p /etc/sysctl.d/60-portal.conf || say "some kernel settings are not allowed here."
}

extra_firewall() {
  if [ "$manager" != apt ]; then
    say "no firewall was set up: ufw is not available here. Use the security group."
    return 0
  fi
  has ufw || install "the firewall" ufw
  # Whatever port sshd really listens on stays open, or nobody could sign in any more.
  ssh_ports=$(sshd -T 2>/dev/null | awk '$1 == "port" { print $2 }')
  for port in 22 80 443 $public_ports $ssh_ports; do
    ufw allow "$port/tcp" >/dev/null
  done
  ufw --force enable >/dev/null || say "the firewall could not be switched on: this system does not allow it."
}

extra_tools() {
  if ! has htop || ! has jq; then install tools htop jq; fi
}

pull() {  # beside everything else; what does not arrive is pulled when it is needed
  for image in "$@"; do
    docker image inspect -- "$image" >/dev/null 2>&1 && continue
    say "pulling $image"
    timeout 900 docker pull -q -- "$image" </dev/null || say "$image could not be pulled now."
  done
}

part_all() {
  part_docker
  # Into a file: were it a pipe, a failure below would wait for the images before it is told.
  [ $# = 0 ] || say "pulling $* meanwhile"
  pull "$@" >"$work/pulled" 2>&1 9>&- &
  part_nginx
  part_git
  part_extras
  wait
  cat "$work/pulled"
  touch "$state/ready"
}

# The order of things.

show_progress() {  # of whoever holds the lock
  size=$({ wc -c <"$log"; } 2>/dev/null || echo 0)
  [ "$size" -ge "$shown" ] || shown=0
  if [ "$size" -gt "$shown" ]; then
    tail -c "+$((shown + 1))" "$log" | head -c "$((size - shown))"
    shown=$size
  fi
}

take_turn() {  # false when somebody else has meanwhile done what we came for
  shown=0
  exec 9>>"$state/bootstrap.lock"
  until flock -n 9; do
    [ "$shown" -gt 0 ] || say "waiting: another run of this script is at work; this is what it says:"
    show_progress
    is_ready "$1" && return 1
    is_past "$wait_seconds" && fail apt_locked "Another run of this script did not end within $wait_seconds seconds."
    sleep 0.2
  done
  ! is_ready "$1"
}

main() {
  part=${1:-}
  case $part in
    docker | nginx | git | extras | all | warm) shift ;;
    *) fail usage "Name a part: docker, nginx, git, extras, all or warm." ;;
  esac
  case $source in
    distribution | docker) ;;
    *) fail usage "PORTAL_DOCKER_SOURCE is distribution or docker." ;;
  esac
  if is_ready "$part"; then
    say "$part is there"
    [ "$part" != all ] || pull "$@"
    return 0
  fi
  [ "$(id -u)" = 0 ] || fail no_root "This script must be run as root."
  if [ "$part" = warm ]; then
    pull "$@"
    return 0
  fi
  find_system
  mkdir -p "$state"
  if take_turn "$part"; then
    mkdir -m 700 "$work" && trap 'rm -rf "$work"' EXIT
    # In a process of its own, whose exit code is kept: what it says goes two ways.
    { ("part_$part" "$@"); echo $? >"$work/end"; } 2>&1 | tee "$log"
    read -r code <"$work/end" || code=1
    [ "$code" = 0 ] || exit "$code"
  fi
  say "$part is ready after $(($(date +%s) - began)) s"
}

main "$@"
