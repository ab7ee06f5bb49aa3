"""Write the versions that an environment resolved to into docs/reliability.md.

python scripts/versions.py NAME              # print what runs here
python scripts/versions.py NAME --write      # put it into docs/reliability.md instead of NAME's last ones
"""

from __future__ import annotations

import argparse
import platform
import re
import tomllib
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs/reliability.md"
# What decides as much as our own dependencies, though others ask for it.
INDIRECT = ("pydantic", "vispy", "PyQt6", "npe2", "numcodecs", "pytest", "hypothesis", "monai")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("name", help="the name of the environment")
    parser.add_argument("--write", action="store_true", help="put it into docs/reliability.md")
    arguments = parser.parse_args()
    text = f"Python {platform.python_version()}: {', '.join(found())}."
    if not arguments.write:
        print(text)
        return
    begin, end = f"<!-- versions of {arguments.name} -->", f"<!-- end of {arguments.name} -->"
    before, _, after = PAGE.read_text().partition(begin)
    if not after:
        raise SystemExit(f"{PAGE} has no place for {arguments.name}: add the lines {begin} and {end}")
    PAGE.write_text(f"{before}{begin}\n{wrapped(text)}\n{end}{after.partition(end)[2]}")


def found() -> list[str]:
    """Return the names and versions of our dependencies, and of a few that come with them."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    asked = [re.match(r"[\w.-]+", line)[0] for line in project["dependencies"]]
    extra = project["optional-dependencies"]["bioimageio"]
    names = [*asked, *(re.match(r"[\w.-]+", line)[0] for line in extra), *INDIRECT]
    return [f"{name} {number}" for name in dict.fromkeys(names) if (number := installed(name))]


def installed(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return ""


def wrapped(text: str, width: int = 120) -> str:
    lines = [""]
    for word in text.split(" "):
        lines[-1:] = [f"{lines[-1]} {word}"] if len(lines[-1]) + len(word) < width else [lines[-1], word]
    return "\n".join(lines).strip()


if __name__ == "__main__":
    main()
