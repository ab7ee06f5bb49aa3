"""What pyproject.toml cannot say: the README as package indexes show it, and the addresses that they list."""

import re
import tomllib
from pathlib import Path

from setuptools import setup

ROOT = Path(__file__).parent
RELATIVE = r"\]\((?!\w+:|#)(?P<path>[^)\s]+)\)"


def with_addresses(text: str, home: str) -> str:
    """Return the README with absolute addresses: indexes have neither our pictures nor our pages."""
    text = re.sub(rf"(?P<alt>!\[[^]]*){RELATIVE}", rf"\g<alt>]({home}/raw/HEAD/\g<path>)", text)
    return re.sub(RELATIVE, rf"]({home}/blob/HEAD/\g<path>)", text)


home = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["napari-exactile"]["home"].rstrip(
    "/"
)
readme = (ROOT / "README.md").read_text("utf-8")
setup(
    long_description=with_addresses(readme, home) if home else readme,
    long_description_content_type="text/markdown",
    project_urls={"Homepage": home, "Changelog": f"{home}/blob/HEAD/CHANGELOG.md"} if home else {},
)
