#!/usr/bin/env bash
# Build sdist and wheel, install the wheel in an environment of its own, and run the command line from there:
#   Tools/try_wheel.sh FOLDER PYTHON...       (default: build/wheel-test and python3)
# Each Python gets a clean environment without any extra. What must then work: --version, models --verify, covid on the
# bundled sample and again from its file; and a command whose extra is missing must say so in one sentence with exit code 4.
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
folder=${1:-$root/build/wheel-test}
shift || true
pythons=("$@")
[ ${#pythons[@]} -gt 0 ] || pythons=(python3)
unset PYTHONPATH PYTHONHOME
mkdir -p "$folder"
folder=$(cd "$folder" && pwd)

rm -rf "$folder/dist"
"${pythons[0]}" -m venv --clear "$folder/build"
"$folder/build/bin/python" -m pip install --quiet build
# the wheel is built from the sdist, so that both are tried; sources are copied, so that nothing is left in the tree
git -C "$root" archive --format=tar HEAD | (mkdir -p "$folder/tree" && tar -x -C "$folder/tree")
"$folder/build/bin/python" -m build --outdir "$folder/dist" "$folder/tree" >"$folder/build.log" 2>&1 || { cat "$folder/build.log"; exit 1; }
rm -rf "$folder/tree"
ls -l "$folder"/dist

cd "$folder" # away from the sources
for python in "${pythons[@]}"; do
  version=$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])')
  environment=$folder/python$version
  "$python" -m venv --clear "$environment"
  "$environment/bin/python" -m pip install --quiet ${TORCH:+"torch==$TORCH"} "$folder"/dist/*.whl
  lesionkit=$environment/bin/lesionkit
  echo "--- Python $version: $("$lesionkit" --version)"
  "$lesionkit" models --verify
  rm -rf demo again
  "$lesionkit" demo --no-serve --output demo
  "$lesionkit" covid demo/sample-ct.nii.gz --output again --quiet
  test -s again/report.html && test -s again/measurements.json && test -s again/segmentation.seg.nrrd
  test -s demo/report.html && test -s demo/measurements.json && test -s demo/segmentation.seg.nrrd
  code=0
  sentence=$("$lesionkit" evaluate covid --data . 2>&1) || code=$?
  echo "without the extra: exit $code, $sentence"
done
