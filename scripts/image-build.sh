#!/bin/bash
# Makes the Python environment of images/NAME at DEST/NAME/venv: image-build.sh NAME DEST
#
# An image whose image.json has a "base" begins as that image's environment, by hard links: pip replaces files, it does
# not write into them, so the base stays as it is.
# image.json is written last, so that a directory without one is not an image and an interrupted build starts afresh.
# Progress goes to stderr, a line a step.
set -euo pipefail
umask 022

die() {
    echo "image-build: $*" >&2
    exit 1
}
[ $# -eq 2 ] || {
    echo "usage: image-build.sh NAME DEST" >&2
    exit 2
}
name=$1
source=$(cd "$(dirname "$0")/../images" && pwd)/$name
[[ $name =~ ^[a-z0-9][a-z0-9.-]*$ ]] || die "\"$name\" is not a name of an image"
python=/usr/bin/python3 # Debian's own: pods see it at this path, whatever else is on PATH here
member() { # FILE NAME: a text, a number, or the words of a list
    "$python" - "$1" "$2" <<'PYTHON'
import json, sys
value = json.load(open(sys.argv[1])).get(sys.argv[2], "")
print(" ".join(value) if isinstance(value, list) else value)
PYTHON
}
files=(requirements.txt image.json)
base=
[ ! -f "$source/image.json" ] || base=$(member "$source/image.json" base)
[ -n "$base" ] || files+=(overrides.json)
for file in "${files[@]}"; do
    [ -f "$source/$file" ] || die "there is no image $name in $(dirname "$source"): $file is missing"
done
[ -z "$base" ] || "$0" "$base" "$2"

mkdir -p "$2/$name"
dest=$(cd "$2/$name" && pwd)
venv=$dest/venv
base_built=
[ -z "$base" ] || base_built=$(member "$2/$base/image.json" requirements)
wanted=sha256:$({
    cd "$source" && sha256sum "${files[@]}"
    [ -z "$base" ] || echo "$base_built"
} | sha256sum | cut -d' ' -f1)

exec 9>"$dest/.lock" # held by pip too: a build that was killed ends before another begins
flock -n 9 || {
    echo "image $name: another build is at it; waiting" >&2
    flock 9
}

root=$name # the image that this one begins as in the end: what its kernels do, they do in all
while more=$(member "${source%/*}/$root/image.json" base) && [ -n "$more" ]; do
    root=$more
done
# What is laid under a name that running kernels may have open, or that a base has too, is another file.
lay() { # FILE TARGET
    cmp -s "$1" "$2" && return
    mkdir -p "${2%/*}"
    cp "$1" "$2.new"
    chmod 644 "$2.new"
    mv "$2.new" "$2"
    [[ $2 != */site-packages/* ]] || "$venv/bin/python" -m compileall -q "$2"
}
# What kernels do in every notebook. It is no part of what the environment is built from: a change is laid into one that is there.
lay_kernel_files() {
    local from=${source%/*}/$root/kernel
    [ -d "$from" ] || return 0
    lay "$from/atelier_skew.py" "$(echo "$venv"/lib/python3*/site-packages)/atelier_skew.py"
    lay "$from/startup.py" "$venv/etc/ipython/startup/10-atelier.py"
}

if [ -f "$dest/image.json" ] && [ -x "$venv/bin/python" ] &&
    "$python" - "$dest/image.json" "$wanted" "$venv" <<'PYTHON'; then
import json, sys
try:
    image = json.load(open(sys.argv[1]))
except ValueError:
    sys.exit(1)
sys.exit(not (image.get("requirements") == sys.argv[2] and image.get("path") == sys.argv[3]))
PYTHON
    lay_kernel_files
    exit 0
fi

started=$SECONDS
say() {
    printf 'image %s: %s (%d s)\n' "$name" "$*" $((SECONDS - started)) >&2
}
# Fails early with a sentence instead of late with a traceback.
"$python" -c 'import sys; sys.exit(sys.version_info < (3, 10))' || die "$python must be Python 3.10 or newer"
"$python" -c 'import ensurepip, venv' 2>/dev/null || die "$python lacks venv: install the package python3-venv"
free_mib=$(($(stat -f -c '%a * %S' "$dest") / 1048576))
needed_mib=$(member "$source/image.json" diskMiB)
[ "$free_mib" -ge "${needed_mib:=2048}" ] || die "$dest has $free_mib MiB free; about $needed_mib are needed"

say "making an environment"
rm -rf "$dest/image.json" "$venv"
"$python" -m venv "$venv"
if [ -n "$base" ]; then
    from=$(member "$2/$base/image.json" path)
    for part in lib share etc; do
        [ ! -d "$from/$part" ] || cp -al --remove-destination "$from/$part" "$venv/"
    done
    for program in "$from"/bin/*; do
        [ -e "$venv/bin/$(basename "$program")" ] || cp "$program" "$venv/bin/"
    done
    # Scripts name the interpreter of the environment they are in.
    grep -rlI "^#!$from/bin/" "$venv/bin" | xargs -r sed -i "1s|^#!$from/bin/|#!$venv/bin/|"
fi

total=$(grep -c '==' "$source/requirements.txt")
say "installing $total packages"
log=$dest/build.log
"$venv/bin/pip" install --no-cache-dir --no-input --disable-pip-version-check --no-compile \
    -r "$source/requirements.txt" >"$log" 2>&1 &
pip=$!
trap 'kill "$pip" 2>/dev/null || true' EXIT
reported=0
while kill -0 "$pip" 2>/dev/null; do
    sleep 1
    done_now=$(grep -cE '^(Collecting|Requirement already)' "$log" || true)
    if [ "$((done_now / 25))" -gt "$((reported / 25))" ]; then
        reported=$done_now
        say "$done_now of $total packages found"
    elif [ "$reported" -lt 1000000 ] && grep -q '^Installing collected' "$log"; then
        reported=1000000
        say "unpacking"
    fi
done
wait "$pip" || {
    trap - EXIT
    grep -iE '^ *(error|warning)' "$log" | tail -n 5 >&2 || tail -n 5 "$log" >&2
    die "the packages could not be installed; the whole log is $log"
}
trap - EXIT

# JupyterLab asks everybody whether it may fetch news, and looks for updates: not here.
if [ -z "$base" ]; then
    mkdir -p "$venv/share/jupyter/lab/settings"
    cp "$source/overrides.json" "$venv/share/jupyter/lab/settings/overrides.json"
fi
lay_kernel_files

say "compiling"
"$venv/bin/python" -m compileall -q -j 0 "$venv/lib" >/dev/null 2>&1 || true # files meant for other Pythons do not compile
say "checking"
read -ra imports <<<"ray jupyterlab sklearn $(member "$source/image.json" imports)"
for module in "${imports[@]}"; do
    (cd / && HOME=$dest "$venv/bin/python" -c "import $module") || die "the environment does not import $module"
done
rm -rf "$dest/.cache" "$dest/.config"
chmod -R a+rX "$venv"

"$python" - "$source/image.json" "$dest/image.json" "$wanted" "$venv" "$name" <<'PYTHON'
import json, os, sys
source, target, wanted, venv, name = sys.argv[1:]
image = json.load(open(source))
image.update(name=name, path=venv, requirements=wanted, pythonVersion="%d.%d.%d" % sys.version_info[:3])
with open(target + ".new", "w") as f:
    json.dump(image, f, indent=2)
    f.write("\n")
    f.flush()
    os.fsync(f.fileno())
os.replace(target + ".new", target)
PYTHON
say "ready"
