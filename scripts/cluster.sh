#!/usr/bin/env bash
# Installs what tests/cluster needs: Snakemake in an environment of its own, and as root a Slurm to run it on.
set -euo pipefail
cd "$(dirname "$0")/.."

packages=(munge slurmctld slurmd slurm-client)
venv=.venv-cluster

if [ "$(id -u)" -eq 0 ]; then
    mapfile -t missing < <(for package in "${packages[@]}"; do
        dpkg-query -W -f '${db:Status-Status}\n' "$package" 2>/dev/null | grep -qx installed || printf '%s\n' "$package"
    done)
    if [ ${#missing[@]} -gt 0 ]; then
        export DEBIAN_FRONTEND=noninteractive
        apt-get update -qq
        apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
    fi
fi
[ -x "$venv/bin/python" ] || "${PYTHON:-python3}" -m venv "$venv"
"$venv/bin/python" -m pip install --quiet --disable-pip-version-check \
    snakemake==9.27.1 snakemake-executor-plugin-slurm==2.8.0 
