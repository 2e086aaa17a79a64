#!/usr/bin/env bash
# conche on one machine: installs what is missing, then hands over to the command line in a
# virtual environment beside this file. README.md tells the rest.
set -euo pipefail

project=$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")
venv=$project/.venv
export CONCHE_PROJECT=$project
PATH=$PATH:/usr/sbin:/usr/local/sbin # mosquitto's place, which is not everybody's

usage() {
  cat <<'EOT'
Usage: ./conche.sh WORD [ARGS]...

  up [OPTIONS]    start everything on this machine: broker, services and,
                  unless --configs names a directory of yours, a simulated
                  cluster; Ctrl-C stops it all (up --help lists the options)
  down            end it from elsewhere
  test [ARGS]     run all checks and tests, or pytest with ARGS alone
  help            this page

Any other word goes to the command line, which finds the running stack by
itself: ./conche.sh status, ./conche.sh --help
EOT
}

say() { printf 'conche.sh: %s\n' "$*" >&2; }

die() {
  say "$@"
  exit 1
}

has() { command -v "$1" >/dev/null 2>&1; }

# Prints the first interpreter that is new enough.
find_python() {
  local name
  for name in python3 python3.13 python3.12 python3.11; do
    if has "$name" && "$name" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
      printf '%s\n' "$name"
      return
    fi
  done
  return 1
}

venv_works() { "$venv/bin/python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; }

# Prints the Debian packages that are missing for a word, one a line.
missing_packages() {
  local python
  if ! venv_works; then
    if ! python=$(find_python); then
      printf '%s\n' python3 python3-venv
    elif ! "$python" -c 'import ensurepip, venv' 2>/dev/null; then
      printf '%s-venv\n' "$python"
    fi
  fi
  has mosquitto && has mosquitto_passwd || echo mosquitto
  has mosquitto_pub || echo mosquitto-clients
  has setpriv || echo util-linux
  has git || echo git
  [ "$1" != test ] || has slapd || echo slapd # a directory for the tests of logins
  [ -e /etc/ssl/certs/ca-certificates.crt ] || [ ! -e /etc/debian_version ] || echo ca-certificates
}

# Debian starts a package's service on installation and at every boot; our broker is not that one.
install_packages() {
  local policy=/usr/sbin/policy-rc.d log status=0 package
  log=$(mktemp)
  say "installing $* (apt-get)"
  if [ ! -e "$policy" ]; then
    trap 'rm -f /usr/sbin/policy-rc.d' EXIT # also after Ctrl-C: it would keep every package's service down
    printf '#!/bin/sh\nexit 101\n' >"$policy"
    chmod +x "$policy"
  else
    policy=
  fi
  {
    apt-get update -q &&
      DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends "$@"
  } </dev/null >"$log" 2>&1 || status=$?
  if [ -n "$policy" ]; then
    rm -f "$policy"
    trap - EXIT
  fi
  if [ "$status" -ne 0 ]; then
    tail -n 20 "$log" >&2
    rm -f "$log"
    die "apt-get failed (its last words stand above); then run this again"
  fi
  rm -f "$log"
  for package in mosquitto slapd; do
    case " $* " in
      *" $package "*) ! has systemctl || systemctl disable --now "$package" >/dev/null 2>&1 || true ;;
    esac
  done
}

# Installs what is missing for a word, or says what that is.
ensure_packages() {
  local packages package
  mapfile -t packages < <(missing_packages "$1")
  [ "${#packages[@]}" -gt 0 ] || return 0
  if has apt-get && [ "$(id -u)" -eq 0 ]; then
    install_packages "${packages[@]}"
    mapfile -t packages < <(missing_packages "$1")
    [ "${#packages[@]}" -eq 0 ] || die "still missing after apt-get install: ${packages[*]}"
  elif has apt-get; then
    say "missing: ${packages[*]}. Install them, then run this again:"
    printf '\n  sudo apt-get update\n  sudo apt-get install %s\n' "${packages[*]}" >&2
    for package in mosquitto slapd; do
      case " ${packages[*]} " in
        *" $package "*) printf '  sudo systemctl disable --now %s   # conche starts its own\n' "$package" >&2 ;;
      esac
    done
    printf '\n' >&2
    exit 1
  else
    die "missing: ${packages[*]} (Debian's names). Install them with this system's package manager, then run this again"
  fi
}

# Installs conche with an extra ('all' or 'test', which holds 'all') unless that has been done for this pyproject.toml.
ensure_venv() {
  local extra=$1 stamp=$venv/.conche wanted
  mkdir -p "$venv"
  exec 9>"$venv/.lock" # two at once would spoil it
  flock 9
  wanted=$(sha256sum <"$project/pyproject.toml")
  if ! venv_works; then
    say "making a virtual environment in $venv"
    rm -f "$stamp"
    "$(find_python)" -m venv --clear "$venv" || die "the virtual environment could not be made"
  fi
  if ! grep -qsxF -e "$extra $wanted" -e "test $wanted" "$stamp"; then
    say "installing conche[$extra] into it"
    "$venv/bin/python" -m pip install --quiet --disable-pip-version-check --editable "${project}[$extra]" ||
      die "pip failed (its words stand above); then run this again"
    printf '%s %s\n' "$extra" "$wanted" >"$stamp"
  fi
  exec 9>&-
}

# Takes the database's program out of Debian's package, and leaves the rest: installed, it would listen on all addresses
# from the next boot on. Without it everything works but `conche history` and the dashboards.
ensure_influxd() {
  local missed=$venv/.no-influxd
  if has influxd || [ -x "$venv/bin/influxd" ] || [ -n "$(find "$missed" -mmin -60 2>/dev/null)" ]; then
    return # tried within the hour: without a network apt takes its time
  fi
  if ! has apt-get || ! has dpkg-deb; then
    say "no influxd here: nothing is kept for conche history (install InfluxDB 1)"
    return
  fi
  local folder
  folder=$(mktemp -d -p "$venv") # on the same disk, so that the program is there all at once
  say "fetching influxd (apt-get download influxdb)"
  if fetch_influxdb "$folder" && dpkg-deb --extract "$folder"/influxdb_*.deb "$folder/package"; then
    mv "$folder/package/usr/bin/influxd" "$venv/bin/influxd"
    rm -f "$missed"
  else
    touch "$missed"
    tail -n 3 "$folder/log" >&2
    say "influxd can't be had now: nothing is kept for conche history; it is tried again in an hour, or without $missed"
  fi
  rm -rf "$folder"
}

# Downloads the package into a folder; a fresh machine has no lists of packages yet.
fetch_influxdb() {
  (
    cd "$1"
    get=(apt-get -q -o Acquire::Retries=0 -o Acquire::http::Timeout=10 -o Acquire::https::Timeout=10)
    "${get[@]}" download influxdb && exit
    [ "$(id -u)" -eq 0 ] && "${get[@]}" update && "${get[@]}" download influxdb
  ) >"$1/log" 2>&1
}

check() {
  printf '\n== %s\n' "$*"
  "$@" || die "failed: $*"
}

run_tests() {
  local bin=$venv/bin
  cd "$project"
  PATH=$bin:$PATH
  if [ "$#" -eq 0 ]; then
    check ruff check .
    check ruff format --check .
    check mypy --strict
    check lint-imports
    check conche contract check
    check shellcheck conche.sh .ci/run tests/contract/grafana-schema/regenerate.sh
    # Most tests wait for processes, so four run at a time; the chaos test has a deadline and runs alone.
    check python -m pytest -n 4 -m "not chaos"
    printf '\n== pytest -m chaos\n'
    set -- -m chaos
  fi
  exec python -m pytest "$@"
}

case ${1-help} in
  help)
    usage
    ;;
  test)
    shift
    ensure_packages test
    ensure_venv test
    ensure_influxd
    run_tests "$@"
    ;;
  up)
    ensure_packages up
    ensure_venv all
    ensure_influxd
    exec "$venv/bin/conche" "$@"
    ;;
  *)
    venv_works || ensure_packages "$1"
    ensure_venv all
    exec "$venv/bin/conche" "$@"
    ;;
esac
