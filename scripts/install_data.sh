#!/usr/bin/env bash
# Puts Fashion-MNIST on a Debian machine where that takes one command and no question: as root, from Debian's own
# package. Everywhere else it says what to do and leaves it at that; a run that needs the data downloads it or says the
# same again. Nothing here makes another target fail.
#
# Usage: install_data.sh [PAPER]     with a paper: only if its configuration names the set
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
if [ -n "${1:-}" ] && [ -e "conf/paper/$1.yaml" ] && ! grep -q fashion_mnist "conf/paper/$1.yaml"; then
    exit 0
fi

if [ "$(id -u)" = 0 ] && [ -e /etc/debian_version ] && command -v apt-get >/dev/null && [ "${ASSAY_OFFLINE:-0}" = 0 ]; then
    echo "installing $package (30 MB)"
    install="timeout 300 apt-get -o DPkg::Lock::Timeout=60 install -y -qq $package"
    # A fresh container has no package lists yet: then get them and try again.
    export DEBIAN_FRONTEND=noninteractive
    { $install || { timeout 120 apt-get update -qq && $install; }; } >/dev/null 2>&1 && exit 0
fi
echo "Fashion-MNIST is not on this machine: apt-get install $package, or set ASSAY_DATA to a folder that holds $file.gz and its three companions (runs that need it will try to download it)"
exit 0
