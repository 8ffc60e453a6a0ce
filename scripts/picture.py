"""Take a picture of a page with chromium, for the README and the documentation.

    python scripts/picture.py reports/lion_k/desk/index.html docs/pictures/page.png
    python scripts/picture.py reports/index.html docs/pictures/board.png --size 1280x1000 --dark

It needs a `chromium` on the path (on Debian: `apt-get install chromium`) and no network. The picture's colours are
reduced to a palette, which for a page of text and flat colours cannot be seen and makes it three times smaller.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

QUIET = [
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--hide-scrollbars",
    "--virtual-time-budget=3000",
]


def take(page: Path, picture: Path, size: str, dark: bool, scale: float) -> None:
    """Write a PNG of the page's first screenful."""
    from PIL import Image

    browser = next(
        (found for name in ("chromium", "chromium-browser", "google-chrome") if (found := shutil.which(name))), None
    )
    if browser is None:
        sys.exit("no chromium on the path; on Debian: apt-get install chromium")
    width, height = size.split("x")
    with tempfile.TemporaryDirectory() as profile:
        raw = Path(profile) / "raw.png"
        theme = ["--force-dark-mode"] if dark else []
        options = [
            f"--user-data-dir={profile}",
            f"--window-size={width},{height}",
            f"--force-device-scale-factor={scale}",
        ]
        command = [browser, *QUIET, *options, *theme, f"--screenshot={raw}", page.resolve().as_uri()]
        subprocess.run(command, check=True, capture_output=True, timeout=120)
        picture.parent.mkdir(parents=True, exist_ok=True)
        colours = Image.open(raw).convert("RGB").quantize(colors=128, dither=Image.Dither.NONE)
        colours.save(picture, optimize=True)


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("page", type=Path)
    parser.add_argument("picture", type=Path)
    parser.add_argument("--size", default="1280x1000", help="width x height of the window in CSS pixels")
    parser.add_argument("--scale", type=float, default=1.5, help="device pixels per CSS pixel")
    parser.add_argument("--dark", action="store_true", help="as a reader with a dark theme sees it")
    args = parser.parse_args()
    if not args.page.exists():
        sys.exit(f"{args.page} is not there; make it with `assay report PAPER` or `assay board`")
    take(args.page, args.picture, args.size, args.dark, args.scale)
    print(f"{args.picture}: {args.picture.stat().st_size / 1000:.0f} kB")


if __name__ == "__main__":
    main()
