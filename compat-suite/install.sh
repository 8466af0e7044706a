#!/usr/bin/env bash
# Installs the clients the suite drives into compat-suite/.clients, each unmodified.
# Idempotent: what stands in its pinned version is left alone, nothing is downloaded twice.
#   install.sh            all clients
#   install.sh NAME...    some of: python awscli-v1 s3cmd awscli-v2 rclone-debian rclone sdk-rust chromium
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
clients=$here/.clients
# shellcheck source=versions.env
source "$here/versions.env"
mkdir -p "$clients"

say() { printf '[clients] %s\n' "$*"; }
die() { printf '[clients] cannot install: %s\n' "$*" >&2; exit 1; }
need() { command -v "$1" >/dev/null || die "$1 is missing ($2)"; }

# is_current FOLDER MARK: does the folder hold exactly what MARK names?
is_current() { [[ -f $clients/$1/.mark && $(<"$clients/$1/.mark") == "$2" ]]; }
set_current() { printf '%s\n' "$2" >"$clients/$1/.mark"; }

# venv FOLDER REQUIREMENT...: a virtual environment of its own for one Python client.
venv() {
    local folder=$1; shift
    if is_current "$folder" "$*"; then say "$folder: $* stands"; return; fi
    say "$folder: installing $*"
    need python3 "Debian: apt-get install python3 python3-venv"
    rm -rf "${clients:?}/$folder"
    python3 -m venv "$clients/$folder" >/dev/null ||
        die "python3 cannot make virtual environments (Debian: apt-get install python3-venv)"
    "$clients/$folder/bin/python" -m pip install --quiet --disable-pip-version-check "$@"
    set_current "$folder" "$*"
}

# fetch_debian FOLDER PACKAGE: Debian's package with what it needs and this machine lacks,
# unpacked into the folder instead of installed, so that it collides with nothing.
fetch_debian() {
    local folder=$1 package=$2 target=$clients/$1 version
    need apt-get "this client is Debian's package; needs a Debian machine"
    version=$(apt_candidate "$package")
    if [[ -z $version ]]; then
        say "$folder: apt-get update"
        apt-get update -qq
        version=$(apt_candidate "$package")
    fi
    [[ -n $version ]] || die "Debian package $package is not known to apt"
    if is_current "$folder" "$version"; then say "$folder: $package $version stands"; return; fi
    say "$folder: fetching $package $version"
    rm -rf "${target:?}"; mkdir -p "$target/debs/partial"
    apt-get install -y -qq --reinstall --no-install-recommends --download-only \
        -o "Dir::Cache::archives=$target/debs" "$package" >/dev/null
    local deb
    for deb in "$target"/debs/*.deb; do dpkg-deb -x "$deb" "$target"; done
    rm -rf "$target/debs"
    set_current "$folder" "$version"
}

apt_candidate() { apt-cache policy "$1" 2>/dev/null | sed -n 's/^ *Candidate: //p' | grep -v '(none)' || true; }

install_python() { venv python "boto3[crt]==$BOTO3"; }
install_awscli-v1() { venv awscli-v1 "awscli==$AWSCLI_V1"; }
install_s3cmd() { venv s3cmd "s3cmd==$S3CMD"; }
install_rclone-debian() { fetch_debian rclone-debian rclone; }

install_awscli-v2() {
    [[ -x /usr/bin/python3 ]] || die "/usr/bin/python3 is missing (Debian: apt-get install python3)"
    fetch_debian awscli-v2 awscli
    cat >"$clients/awscli-v2/aws" <<'WRAPPER'
#!/bin/sh
# Debian's aws cli v2 where it was unpacked, with Debian's own Python.
root=$(dirname "$(readlink -f "$0")")
export PYTHONPATH="$root/usr/lib/python3/dist-packages"
exec /usr/bin/python3 "$root/usr/bin/aws" "$@"
WRAPPER
    chmod +x "$clients/awscli-v2/aws"
}

install_rclone() {
    if is_current rclone "$RCLONE"; then say "rclone: $RCLONE stands"; return; fi
    need go "Debian's go is too old; take a current Go"
    say "rclone: building $RCLONE (some minutes)"
    GOBIN=$clients/rclone/bin GOFLAGS="-buildvcs=false -trimpath" CGO_ENABLED=0 \
        go install -ldflags "-s -w" "github.com/rclone/rclone@$RCLONE" 2> >(grep -v "^go: downloading" >&2)
    set_current rclone "$RCLONE"
}

install_sdk-rust() {
    need cargo "see rustup"
    say "sdk-rust: building against aws-sdk-rust"
    CARGO_TARGET_DIR=$clients/target cargo build --quiet --locked \
        --manifest-path "$here/sdk-rust/Cargo.toml"
}

# A browser is much to ask of a machine: without it its cases are skipped, by name.
install_chromium() {
    if command -v chromium >/dev/null; then say "chromium: the machine has its own"; return; fi
    "${BASH_SOURCE[0]}" chromium-package ||
        say "chromium: cannot be had here; the suite skips its cases"
}

install_chromium-package() {
    fetch_debian chromium chromium
    cat >"$clients/chromium/chromium" <<'WRAPPER'
#!/bin/sh
# Debian's Chromium where it was unpacked, with the libraries that the machine lacks beside it.
root=$(dirname "$(readlink -f "$0")")
libraries=$(find "$root/usr/lib" -path '*-linux-gnu*' -name '*.so*' -printf '%h\n' | sort -u | paste -sd:)
export LD_LIBRARY_PATH="$libraries${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}"
exec "$root/usr/lib/chromium/chromium" "$@"
WRAPPER
    chmod +x "$clients/chromium/chromium"
}

wanted=("$@")
((${#wanted[@]})) || wanted=(python awscli-v1 s3cmd awscli-v2 rclone-debian rclone sdk-rust chromium)
for client in "${wanted[@]}"; do
    declare -F "install_$client" >/dev/null || die "no client is called '$client'"
    started=$SECONDS
    "install_$client"
    say "$client: ready after $((SECONDS - started)) s"
done
