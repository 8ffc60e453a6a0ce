#!/usr/bin/env bash
# Puts Fashion-MNIST on a Debian machine where that takes one command and no question: as root, from Debian's own
# package. Everywhere else it says what to do and leaves it at that; a run that needs the data downloads it or says the
# same again. Nothing here makes another target fail.
set -u

package=dataset-fashion-mnist
file=train-images-idx3-ubyte

# Where the fetcher looks; both forms of the file will do.
here() {
    local folder
    for folder in "${ASSAY_DATA:-data}" data; do
        for place in "$folder" "$folder/fashion-mnist" "$folder/FashionMNIST/raw"; do
            [ -s "$place/$file.gz" ] || [ -s "$place/$file" ] && return 0
        done
    done
    [ -s "${ASSAY_SYSTEM_DATA:-/usr/share/datasets/fashion-mnist}/$file.gz" ]
}

cd "$(dirname "$0")/.." || exit 0
here && exit 0

if [ "$(id -u)" = 0 ] && [ -e /etc/debian_version ] && command -v apt-get >/dev/null && [ "${ASSAY_OFFLINE:-0}" = 0 ]; then
    echo "installing $package (30 MB)"
    if DEBIAN_FRONTEND=noninteractive timeout 300 apt-get install -y -qq "$package" >/dev/null 2>&1; then
        exit 0
    fi
    # A fresh container has no package lists yet.
    if timeout 120 apt-get update -qq >/dev/null 2>&1 &&
        DEBIAN_FRONTEND=noninteractive timeout 300 apt-get install -y -qq "$package" >/dev/null 2>&1; then
        exit 0
    fi
fi
echo "Fashion-MNIST is not on this machine: apt-get install $package, or set ASSAY_DATA to a folder that holds $file.gz and its three companions (runs that need it will try to download it)"
exit 0
