#!/bin/bash
# Changes what the NGINX of a host serves, or nothing at all. Run as `bash -c`, with files on standard input,
# one a line: a name and its content in base64. Exit codes: see nginx.py.
#
# shellcheck disable=SC2013
set -u
act=$1 conf=$2 pid_file=$3 service=$4 control=$5 token=$6 site=$7 certificate=$8
shift 8
nginx=("$@")
portal=$conf/portal previous=$conf/portal.previous incoming=$conf/portal.incoming
umask 022
export LC_ALL=C PATH="$PATH:/usr/local/sbin:/usr/sbin:/sbin"

refuse() { # exit code, words
  printf '%s\n' "$2" >&2
  exit "$1"
}

# The running NGINX.

runs() { # and is no zombie, nor another process that got its number
  local title=''
  { read -r master <"$pid_file"; } 2>/dev/null || return 1
  { read -r -d '' title <"/proc/$master/cmdline"; } 2>/dev/null
  [[ $title == *nginx* ]]
}

served() { # prints the generation that a fresh connection finds
  { exec 3<>"/dev/tcp/127.0.0.1/$control"; } 2>/dev/null || return 0
  printf 'GET / HTTP/1.0\r\n\r\n' >&3 2>/dev/null
  local line='' last=''
  while read -r -t 2 -u 3 line; do last=$line; done
  exec 3>&-
  printf '%s' "$last"
}

workers() {
  cat "/proc/$master/task/$master/children" 2>/dev/null || pgrep -P "$master"
}

takes_requests() { # a worker that is told to end does so when its last request has been answered
  local title=''
  { read -r -d '' title <"/proc/$1/cmdline"; } 2>/dev/null
  [[ $title == *"worker process"* && $title != *"shutting down"* ]]
}

wait_for_takeover() { # a reload is not instant: for a while old workers answer with the old site
  local deadline=$((SECONDS + 10)) good=0 worker
  while [ "$good" -lt 3 ]; do
    [ "$SECONDS" -lt "$deadline" ] || return 1
    if [ "$(served)" = "$token" ]; then good=$((good + 1)); else good=0 && sleep 0.05; fi
  done
  for worker in "$@"; do
    while takes_requests "$worker"; do
      [ "$SECONDS" -lt "$deadline" ] || return 1
      sleep 0.02
    done
  done
}

start() {
  if [ -n "$service" ] && [ -d /run/systemd/system ]; then
    systemctl start "$service" 9>&-
  else
    "${nginx[@]}" 9>&- </dev/null >/dev/null
  fi
}

check_ports() { # that nobody else listens where this file wants to
  local port inode
  for port in $(sed -n 's/^ *listen \([0-9]*\)[ ;].*/\1/p' "$1" | sort -u); do
    for inode in $(awk -v port="$(printf ':%04X$' "$port")" '$4 == "0A" && $2 ~ port { print $10 }' /proc/net/tcp*); do
      if ! runs || [[ $(ls -l "/proc/$master/fd") != *"socket:[$inode]"* ]]; then
        give_up 71 "Port $port is held by another program."
      fi
    done
  done
}

# The files: either all of a change, or what was there before.

contents() { # all but passwords, which NGINX reads anew for each request and which are salted each time
  (cd "$1" && find . -type f ! -path './auth/*' -exec sha256sum {} + | sort)
}

begin() {
  exec 9>>"$conf/portal.lock"
  flock -w 15 9 || refuse 73 "Another change of NGINX did not end within 15 seconds."
  # Whoever made the last change died over it, unless it is served already.
  if [ -d "$previous" ] && [ "$(served)" != "$(cat "$portal/generation" 2>/dev/null)" ]; then put_back; fi
  mkdir -p "$portal/sites" "$portal/locations" "$portal/auth" || refuse 74 "NGINX's folder cannot be written."
  rm -rf "$previous" "$previous.new"
  { cp -a "$portal" "$previous.new" && mv -T "$previous.new" "$previous"; } || refuse 74 "NGINX's folder cannot be written."
}

put_back() {
  rm -rf "$portal" && mv -T "$previous" "$portal"
  [ -z "${welcome:-}" ] || ln -sf "$conf/sites-available/default" "$welcome"
}

give_up() {
  put_back
  rm -rf "$incoming"
  refuse "$1" "$2"
}

receive() {
  local name content
  rm -rf "$incoming"
  mkdir -m 700 "$incoming" || give_up 74 "NGINX's folder cannot be written."
  while read -r name content; do
    printf '%s' "$content" | base64 -d >"$incoming/$name" || give_up 74 "NGINX's folder cannot be written."
  done
}

place() { # name of what was received, path; nothing received: nothing may be there
  if [ ! -e "$incoming/$1" ]; then
    rm -f "$2"
    return
  fi
  # A system without IPv6 refuses to listen there; what somebody else has set must not be set twice.
  [ -e /proc/net/if_inet6 ] || sed -i '/listen \[::\]/d' "$incoming/$1"
  if grep -qsE '^\s*server_names_hash_bucket_size' "$conf/nginx.conf"; then
    sed -i '/^server_names_hash_bucket_size/d' "$incoming/$1"
  fi
  mv "$incoming/$1" "$2" || give_up 74 "NGINX's folder cannot be written."
}

place_site() {
  local kind=http
  [ -z "$certificate" ] || [ ! -e "$certificate" ] || kind=https
  [ ! -e "$incoming/$kind" ] || check_ports "$incoming/$kind"
  place "$kind" "$portal/sites/$site.conf"
  place location "$portal/locations/$site.conf"
  place route "$portal/sites/$site.json"
  if [ -e "$incoming/auth" ]; then
    local group
    for group in www-data nginx; do
      ! getent group "$group" >/dev/null || chgrp "$group" "$incoming/auth"
    done
    chmod 640 "$incoming/auth"
  fi
  # What another route had is still asked for by the workers of now; it only goes when it is not needed.
  place auth "$portal/auth/$site"
}

remove_site() {
  rm -f "$portal/sites/$site.conf" "$portal/sites/$site.json" "$portal/locations/$site.conf" "$portal/auth/$site"
}

place_default() { # who answers on port 80 when no site is asked for: the site without a name, or nobody
  if grep -qs '^# the site of this port$' "$portal"/sites/*.conf; then
    rm -f "$portal/default.conf" "$incoming/default"
  else
    place default "$portal/default.conf"
  fi
}

remove_welcome() { # the page that came with the package, as long as nobody has changed it
  local link=$conf/sites-enabled/default file=$conf/sites-available/default sum
  [ "$(readlink "$link" 2>/dev/null)" = "$file" ] || return 0
  sum=$(dpkg-query -W -f '${Conffiles}\n' nginx-common 2>/dev/null | awk -v file="$file" '$1 == file { print $2 }')
  [ "$(md5sum "$file" | cut -d' ' -f1)" = "$sum" ] || return 0
  rm -f "$link" && welcome=$link
}

passes() {
  said=$("${nginx[@]}" -t 2>&1 9>&-) || return 1
  # Only a warning to NGINX, but the site would not be served.
  [[ $said != *"conflicting server name"* ]]
}

check() {
  passes && return
  if [[ $said == *"duplicate default server"* ]] && [ -e "$portal/default.conf" ] && [ -z "$(ls "$portal/locations")" ]; then
    # Somebody else's site answers for the rest of port 80, and none of ours needs to.
    rm -f "$portal/default.conf"
    passes && return
  fi
  give_up 70 "$said"
}

commit() {
  local now
  now=$(cat "$portal/generation" 2>/dev/null)
  if [ "$(contents "$portal")" = "$(contents "$previous")" ] && [ -z "${welcome:-}" ] && [ -n "$now" ] && runs && [ "$(served)" = "$now" ]; then
    rm -rf "$previous" "$incoming"
    exit 0
  fi
  printf '%s' "$token" >"$portal/generation"
  printf 'return 200 "%s\\n";\n' "$token" >"$portal/generation.inc"
  check
  local old=() failed='' errors
  if runs; then
    read -r -a old <<<"$(workers | tr '\n' ' ')"
    "${nginx[@]}" -s reload 9>&- 2>/dev/null || failed="NGINX could not be told to reload."
  else
    errors=$(start 2>&1) || failed="NGINX did not start. $errors"
  fi
  if [ -n "$failed" ] || ! wait_for_takeover "${old[@]}"; then
    [ -n "$failed" ] || failed="NGINX did not take over the new configuration within 10 seconds."
    put_back
    ! runs || "${nginx[@]}" -s reload 9>&- 2>/dev/null
    rm -rf "$incoming"
    case $failed in *"Address already in use"*) refuse 71 "$failed" ;; *) refuse 72 "$failed" ;; esac
  fi
  rm -rf "$previous" "$incoming"
}

status() {
  runs || refuse 72 "NGINX does not run."
  local file
  [ "$(served)" = "$(cat "$portal/generation" 2>/dev/null)" ] || echo stale
  for file in "$portal"/sites/*.json; do
    [ ! -e "$file" ] || echo "site $(base64 -w0 <"$file")"
  done
  awk '$4 == "01" && $3 ~ /^0100007F:/ { number[substr($3, 10)]++ } END { for (port in number) print "busy", port, number[port] }' /proc/net/tcp
  echo end
}

case $act in
  status) status ;;
  apply | remove | ensure)
    begin
    receive
    place base "$portal/00-portal.conf"
    place challenge "$portal/challenge.inc"
    [ ! -s "$incoming/logrotate" ] || [ ! -d /etc/logrotate.d ] || mv "$incoming/logrotate" /etc/logrotate.d/portal-nginx
    mkdir -p "$conf/conf.d"
    echo "include $portal/*.conf;" >"$incoming/entry"
    cmp -s "$incoming/entry" "$conf/conf.d/portal.conf" || mv "$incoming/entry" "$conf/conf.d/portal.conf"
    case $act in apply) place_site ;; remove) remove_site ;; esac
    place_default
    remove_welcome
    commit
    ;;
esac
