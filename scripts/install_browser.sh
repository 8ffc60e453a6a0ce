#!/usr/bin/env bash
# Puts Debian's chromium on a Debian machine, as root, for the browser tests and the pictures of pages. It does nothing
# where there is a browser, and fails, saying what to do, where it cannot install one.
set -u

for name in chromium chromium-browser google-chrome; do
    command -v "$name" >/dev/null && exit 0
done

if [ "$(id -u)" = 0 ] && [ -e /etc/debian_version ] && command -v apt-get >/dev/null && [ "${ASSAY_OFFLINE:-0}" = 0 ]; then
    echo "installing chromium (100 MB)"
    export DEBIAN_FRONTEND=noninteractive
    # A container's package lists can be missing or older than the archive: then get them and try again.
    for attempt in 1 2 3; do
        timeout 300 apt-get -o DPkg::Lock::Timeout=120 install -y -qq --no-install-recommends chromium >/dev/null 2>&1 && exit 0
        timeout 120 apt-get update -qq >/dev/null 2>&1
    done
fi
echo "there is no chromium on this machine: apt-get install chromium (its tests are skipped without it)" >&2
exit 1
