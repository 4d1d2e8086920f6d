#!/bin/bash
# Packs some files with tar, unpacks them and compares, step by step: each step is a subtest with a result
# of its own, and two of them upload a file.

. ../lib/report.sh

# Tests leave nothing behind on their host.
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

mkdir -p "$scratch/from/deep/er" "$scratch/to"
echo one >"$scratch/from/one"
echo two >"$scratch/from/deep/er/with a blank"
ln -s one "$scratch/from/link"

failed=0

# Runs a command and reports a subtest by its exit status. What the command prints is its file.
step() { # NAME COMMAND…
    local name=$1 status=pass
    shift
    echo "$name: $*"
    if ! "$@" >"$scratch/$name.txt" 2>&1; then
        status=fail
        failed=$((failed + 1))
    fi
    report "$status" "$name" "" "$scratch/$name.txt"
}

step pack tar -C "$scratch/from" -cvf "$scratch/files.tar" .
step unpack tar -C "$scratch/to" -xvf "$scratch/files.tar"
step compare diff -r --no-dereference "$scratch/from" "$scratch/to"

# A subtest can be other than pass or fail, and upload any file; here, the archive itself.
if command -v gzip >/dev/null; then
    gzip "$scratch/files.tar"
    size=$(wc -c <"$scratch/files.tar.gz")
    report info compress "$size bytes when compressed" "$scratch/files.tar.gz"
else
    report skip compress "there is no gzip on this host"
fi

# A result without a name is that of the test itself. Without one, the exit status would decide.
if [ "$failed" = 0 ]; then
    report pass
else
    report fail "" "$failed of 3 steps failed, see their files"
fi
