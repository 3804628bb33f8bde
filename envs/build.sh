#!/usr/bin/env bash
# Builds .venv from the pinned files beside this script; does nothing if it was built from these very files.
# PYTHON: the interpreter (3.11). TORCH=own: keep the torch, torchvision and detectron2 of the environment in VENV.
# TORCH=cpu: PyTorch's builds without CUDA, which PyPI does not have for x86-64 (2 GB instead of 7).
set -euo pipefail
cd "$(dirname "$0")/.."
venv=${VENV:-.venv}
python=${PYTHON:-python3}
wanted=$(cat envs/build.sh envs/*.txt pyproject.toml | sha256sum)
[ "$(cat "$venv/.built" 2>/dev/null)" = "$wanted" ] && exit 0

"$python" -c 'import sys; sys.exit(sys.version_info[:2] != (3, 11))' || {
  echo "error: Python 3.11 is needed, $("$python" -V 2>&1) was found; name another with PYTHON=..." >&2
  exit 1
}
size=7; [ "${TORCH:-}" = cpu ] && size=2
echo "building $venv from envs/ (some minutes, $size GB)" >&2
[ -x "$venv/bin/python" ] || "$python" -m venv "$venv"
pip="$venv/bin/python -m pip --disable-pip-version-check"
# detectron2's build below is refused by newer pips.
$pip install --quiet pip==23.2.1 setuptools==80.9.0 wheel
if [ "${TORCH:-}" = own ]; then
  grep -v -E '^(torch|torchvision)==' envs/pipeline.txt > "$venv/pipeline.txt"
  $pip install --quiet -r "$venv/pipeline.txt" -r envs/develop.txt
else
  if [ "${TORCH:-}" = cpu ]; then
    # Versions are met by what is there already: the line after this one fetches them no second time.
    # shellcheck disable=SC2046
    $pip install --quiet $(grep -o -E '^(torch|torchvision)==[0-9.]+' envs/pipeline.txt) \
      --index-url https://download.pytorch.org/whl/cpu
  fi
  $pip install --quiet -r envs/pipeline.txt -r envs/develop.txt -c envs/lock.txt
  # Upstream detectron2's Python source; its C++ part is skipped, torchvision has the operators that are used.
  $pip install --quiet --no-deps --no-build-isolation --use-pep517 \
    --config-settings=--global-option=build_py --config-settings=--build-option=--skip-build pb1-detectron2==0.6
fi
$pip install --quiet --no-deps --no-build-isolation -e .
echo "$wanted" > "$venv/.built"
