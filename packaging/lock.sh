#!/usr/bin/env bash
# Prints the exact versions in .venv as a constraints file. `+cpu` and the like are cut off, so that
# one file serves every platform; the packages that torch brings for one platform are left to it.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
echo "# Exact versions that are tested; made by packaging/lock.sh. Used by pip as --constraint."
.venv/bin/python -m pip freeze --exclude-editable |
    grep -viE '^(nvidia-|triton==|cuda-|opencv-python-headless==|stylesync)' |
    sed -E 's/\+[a-z0-9.]+$//'
