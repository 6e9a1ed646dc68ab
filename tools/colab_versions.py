"""Compare the versions that are tested with those that Colab ships: `python tools/colab_versions.py`.

The differences are printed as a Markdown table. The exit status is 0 if there are none, 1 if there are some, and 2 if
Colab's list can't be fetched. `--write` writes Colab's versions into the list of tested ones.
"""

import argparse
import re
import sys
from pathlib import Path

import requests
from packaging.utils import canonicalize_name
from packaging.version import Version

CONSTRAINTS = Path(__file__).parent / "colab-constraints.txt"
PUBLISHED = "https://raw.githubusercontent.com/googlecolab/backend-info/main/pip-freeze.gpu.txt"
TIMEOUT = 30.0  # seconds
PIN = re.compile(r"^([\w.-]+)==([\w.+!-]+)$", re.MULTILINE)


def read_pins(text: str) -> dict[str, str]:
    """Parse versions by package, without the build's local part (torch 2.11.0+cu128 is 2.11.0)."""
    return {canonicalize_name(name): Version(version).public for name, version in PIN.findall(text)}


def fetch_published(address: str) -> dict[str, str]:
    """Fetch Colab's versions. Raises OSError or ValueError if the list can't be fetched or parsed."""
    try:
        response = requests.get(address, timeout=TIMEOUT)
        response.raise_for_status()
    except requests.RequestException as error:
        raise OSError(f"{address} can't be fetched ({error}): try again later, or give another --url.") from error
    pins = read_pins(response.text)
    if "torch" not in pins:
        raise ValueError(f"{address} is no list of Colab's packages, there is no torch in it: give another --url.")
    return pins


def changes(committed: dict[str, str], published: dict[str, str]) -> dict[str, tuple[str, str]]:
    """Packages whose versions differ: the committed version and Colab's."""
    now = {name: published.get(name, "gone") for name in committed}
    return {name: (committed[name], now[name]) for name in committed if committed[name] != now[name]}


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--url", default=PUBLISHED)
    parser.add_argument("--file", type=Path, default=CONSTRAINTS)
    parser.add_argument("--write", action="store_true", help="write Colab's versions into the list")
    options = parser.parse_args(arguments)
    text = options.file.read_text()
    try:
        differ = changes(read_pins(text), fetch_published(options.url))
    except (OSError, ValueError) as error:
        print(error, file=sys.stderr)
        return 2
    if not differ:
        print("Colab ships what is tested.")
        return 0
    print("| package | tested | Colab |", "| --- | --- | --- |", sep="\n")
    print(*(f"| {name} | {old} | {new} |" for name, (old, new) in differ.items()), sep="\n")
    if options.write:
        options.file.write_text(PIN.sub(lambda pin: renewed(pin, differ), text))
    return 1


def renewed(pin: re.Match, differ: dict[str, tuple[str, str]]) -> str:
    """Line of the file with Colab's version. A package that Colab no longer ships stays, for a person to delete."""
    new = differ.get(canonicalize_name(pin[1]), ("", "gone"))[1]
    return pin[0] if new == "gone" else f"{pin[1]}=={new}"


if __name__ == "__main__":
    sys.exit(main())
