"""Open a bioimage.io package, wherever it lies, and read its description without trusting either."""

from __future__ import annotations

import hashlib
import os
import re
import tempfile
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from napari_exactile.geometry.words import joined
from napari_exactile.models.files.archive import ModelFileError, check_zip, extract, is_zip

# Descriptions have some ten kilobytes. Aliases in YAML let few bytes stand for many values.
YAML_BYTES, YAML_VALUES = 128 << 10, 50_000
# The time to read open brackets grows with their square.
YAML_BRACKETS = 1000
NAMES = ("rdf.yaml", "bioimageio.yaml", "model.yaml")
INSTALL = (
    'packages of bioimage.io need bioimageio.spec: install it with pip install "napari-exactile[bioimageio]"'
)
FETCHED_AGAIN = "download the package again"
# "affable-shark", with a version ("affable-shark/1.1"), the DOI of older packages, or one of Hugging Face.
_ID = re.compile(
    r"[a-z]+-[a-z]+(/\d[\d.]*)?|10\.5281/zenodo\.\d+(/\d+)?|huggingface/[\w.-]+/[\w.-]+(/[\w.]+)?"
)
_TORCH: Any = ("torchscript", "pytorch_state_dict")


@dataclass(frozen=True, slots=True)
class Package:
    """An opened package: its folder, its description (bioimageio.spec's newest form) and what was written.

    What is fetched goes to `scratch`, which is gone when the package is closed, as is an unpacked folder.
    """

    folder: Path
    description: Any
    content: dict[str, Any]
    source: str
    scratch: Path

    def path(self, file: Any) -> Path:
        """Return where a file of the description lies, once its sha256 is that of the description.

        An address is fetched by bioimageio.spec. Raises ModelFileError for what is missing, has another
        sha256 or lies outside of the package.
        """
        source = str(file.source)
        if source.startswith(("https://", "http://")):
            return self._fetched(file, source)
        path = Path(os.path.normpath(self.folder / source))
        if not path.is_relative_to(self.folder):
            raise ModelFileError(
                f"{self.source} names a file outside of the package, {source}: move it into the package"
            )
        if not path.is_file():
            raise ModelFileError(
                f"{self.source} lacks the file {source}, which its description names: {FETCHED_AGAIN}"
            )
        check_sha256(path, file.sha256, source)
        return path

    def _fetched(self, file: Any, source: str) -> Path:
        try:
            data = file.get_reader(progressbar=False).read()
        except Exception as error:
            raise ModelFileError(
                f"{self.source} refers to {source}, which cannot be fetched: check the connection, or "
                "download that file into the package and name it there"
            ) from error
        check_sha256(data, file.sha256, source)
        folder = Path(tempfile.mkdtemp(prefix="fetched-", dir=self.scratch))
        path = folder / Path(source.partition("?")[0]).name
        path.write_bytes(data)
        return path


def check_sha256(data: bytes | Path, expected: Any, name: str) -> None:
    """Raise ModelFileError where a file has not the sha256 that its description gives; None is no check."""
    if expected is None:
        return
    if isinstance(data, Path):
        with data.open("rb") as file:
            actual = hashlib.file_digest(file, "sha256").hexdigest()
    else:
        actual = hashlib.sha256(data).hexdigest()
    if actual != str(expected).lower():
        raise ModelFileError(
            f"{name} is not the file that its description means, but another one (its sha256 differs): "
            f"{FETCHED_AGAIN}"
        )


def is_package(path: Path) -> bool:
    """Return whether a path is a bioimage.io package: a description, or a folder or zip file with one."""
    if path.is_dir():
        return _described(os.listdir(path)) is not None
    if path.suffix.lower() in {".yaml", ".yml"}:
        return path.is_file()
    if not path.is_file() or path.suffix.lower() != ".zip" or not is_zip(path):
        return False
    return _described([member.name for member in check_zip(path)]) is not None


def is_id(name: str) -> bool:
    """Return whether a name looks like one of bioimage.io's, or like the address of a description."""
    return _ID.fullmatch(name) is not None or name.startswith("https://")


@contextmanager
def opened(what: str | Path) -> Iterator[Package]:
    """Open a package: a folder, a description, a zip file, or an id of bioimage.io, which is fetched.

    Nothing in it is executed. Raises ModelFileError, with one sentence, for what is no package, is damaged or
    asks for more than a description needs.
    """
    _require_spec()
    # Without "..", so that files can be told to lie in the package; and the same wherever a script goes.
    path = Path(os.path.abspath(what))
    with tempfile.TemporaryDirectory(prefix="exactile-") as folder:
        scratch = Path(folder)
        yield _read(_located(what, path, scratch), str(path) if path.exists() else str(what), scratch)


def _located(what: str | Path, path: Path, scratch: Path) -> Path:
    """Return where the description of a package lies, once it is unpacked or fetched."""
    if path.is_dir():
        return _description_in(path)
    if path.is_file() and path.suffix.lower() in {".yaml", ".yml"}:
        return path
    if path.exists():
        extract(path, scratch)
        return _description_in(scratch, str(path))
    return _description_in(_download(str(what), scratch))


def _require_spec() -> None:
    try:
        import bioimageio.spec  # noqa: F401
    except ImportError as error:
        raise ModelFileError(INSTALL) from error


def _described(names: list[str]) -> str | None:
    """Return the description among the names of a folder's files."""
    usual = [name for name in NAMES if name in names]
    others = [name for name in sorted(names) if name.endswith((".rdf.yaml", ".bioimageio.yaml"))]
    return next(iter(usual + others), None)


def _description_in(folder: Path, source: str = "") -> Path:
    name = _described(os.listdir(folder))
    if name is None:
        raise ModelFileError(
            f"{source or folder} has no rdf.yaml or bioimageio.yaml: name the folder or zip file of a package"
        )
    return folder / name


def _download(name: str, scratch: Path) -> Path:
    """Fetch a package through bioimageio.spec, with the weights that are used here and no others."""
    from bioimageio.spec import save_bioimageio_package_as_folder

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            folder = save_bioimageio_package_as_folder(
                name, output_path=scratch / "package", weights_priority_order=_TORCH
            )
    except Exception as error:
        raise ModelFileError(
            f"{name} cannot be fetched from bioimage.io: check the name and the connection, or download the "
            "package and name its file"
        ) from error
    return Path(folder)


def _read(path: Path, source: str, scratch: Path) -> Package:
    from bioimageio.spec import ValidationContext, build_description

    content = parse(path, source)
    folder = path.parent
    # Without checks of files, nothing that the description names is opened or fetched.
    context = ValidationContext(root=folder, file_name=path.name, perform_io_checks=False, log_warnings=False)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            written = build_description(content, context=context, format_version="discover")
            _check_model(written, source)
            newest = build_description(_convertible(content), context=context, format_version="latest")
            _check_model(newest, source)
        except ModelFileError:
            raise
        except Exception as error:
            raise ModelFileError(
                f"{source} has a description that cannot be understood: {FETCHED_AGAIN}"
            ) from error
    return Package(folder, newest, content, source, scratch)


def _convertible(content: dict[str, Any]) -> dict[str, Any]:
    """Return a valid description without the halo of outputs of one size.

    Version 0.4 has such outputs, and bioimageio.spec cannot bring them up to date.
    """
    outputs = [
        {name: value for name, value in one.items() if name != "halo" or isinstance(one.get("shape"), dict)}
        for one in content.get("outputs", [])
    ]
    return content | ({"outputs": outputs} if outputs else {})


def _check_model(description: Any, source: str) -> None:
    from bioimageio.spec import InvalidDescr

    if isinstance(description, InvalidDescr):
        errors = description.validation_summary.errors
        raise ModelFileError(
            f"{source} has no valid description (wrong or missing: {_fields(errors)}): mend it, or "
            f"{FETCHED_AGAIN}"
        )
    if description.type != "model":
        raise ModelFileError(
            f"{source} describes a {description.type}, not a model: name the package of a model"
        )


def _fields(errors: Sequence[Any]) -> str:
    """Return the first places of a description that are wrong."""
    return joined([".".join(map(str, one.loc)) or "all of it" for one in errors], 2)


def parse(path: Path, source: str) -> dict[str, Any]:
    """Return the content of a YAML file whose size, with all aliases written out, is that of a description.

    Raises ModelFileError for what is larger, is not YAML or no mapping.
    """
    from ruyaml import YAML

    yaml = YAML(typ="safe", pure=True)
    if path.stat().st_size > YAML_BYTES:
        raise ModelFileError(
            f"{source} has a description of more than {YAML_BYTES >> 10} kB, and none is: {FETCHED_AGAIN}"
        )
    try:
        text = path.read_bytes().decode()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            if text.count("[") + text.count("{") > YAML_BRACKETS:
                raise ModelFileError(
                    f"{source} has a description with more than {YAML_BRACKETS} brackets: {FETCHED_AGAIN}"
                )
            if _values(yaml.compose(text), {}) > YAML_VALUES:
                raise ModelFileError(
                    f"{source} has a description that stands for more than {YAML_VALUES} values: "
                    f"{FETCHED_AGAIN}"
                )
            content = yaml.load(text)
    except ModelFileError:
        raise
    except RecursionError as error:
        raise ModelFileError(
            f"{source} has a description that is nested too deeply: {FETCHED_AGAIN}"
        ) from error
    except Exception as error:  # besides YAML's own: dates, numbers and bytes that are none
        mark: Any = getattr(error, "problem_mark", None)
        where = f" in line {mark.line + 1}" if mark else ""
        raise ModelFileError(
            f"{source} has a description that is not valid YAML{where}: mend it, or {FETCHED_AGAIN}"
        ) from error
    if not isinstance(content, dict):
        raise ModelFileError(f"{source} has a description without fields: {FETCHED_AGAIN}")
    return content


def _values(node: Any, known: dict[int, int]) -> int:
    """Return how many values a node stands for; a node that holds itself stands for too many."""
    if node is None or not isinstance(node.value, list):
        return 1
    if id(node) not in known:
        known[id(node)] = YAML_VALUES + 1  # what is found while it is counted
        pairs = (part if isinstance(part, tuple) else (part,) for part in node.value)
        known[id(node)] = 1 + sum(_values(part, known) for pair in pairs for part in pair)
    return known[id(node)]
