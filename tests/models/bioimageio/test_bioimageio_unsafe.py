"""Packages that are damaged, are something else or mean harm: one sentence, and nothing has happened."""

from __future__ import annotations

import io
import pickle
import sys
import time
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

import napari_exactile as ex
from napari_exactile.models.bioimageio import package as bioimageio_package
from napari_exactile.models.bioimageio.package import INSTALL, YAML_BYTES
from napari_exactile.models.files.archive import ModelFileError
from napari_exactile.run.check.model_check import check_model
from packages import state_dict, step, tensors, torchscript, v05, write, zipped


def refusal(what: Any, **more: Any) -> str:
    """The one sentence with which a package is refused."""
    with pytest.raises(ModelFileError) as caught:
        ex.load_model(what, **more)
    message = str(caught.value)
    assert "\n" not in message
    assert len(message) < 700
    return message


def plain(folder: Path, **described: Any) -> Path:
    """A package of a network that gives back what it takes."""
    write(folder, v05(torchscript=torchscript(folder, nn.Identity()), halo=0, **described))
    image = np.zeros((1, 1, 128, 128), np.float32)
    tensors(folder, image, image)
    return folder


# --- descriptions ------------------------------------------------------------------------------------------

LAUGHS = "a: &a [x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"{name}: &{name} [{', '.join([f'*{before}'] * 9)}]\n"
    for before, name in zip("abcdefgh", "bcdefghi", strict=True)
)
MERGED = "a: &a {x: 1}\n" + "".join(
    f"{name}: &{name}\n  <<: [{', '.join([f'*{before}'] * 9)}]\n"
    for before, name in zip("abcdefgh", "bcdefghi", strict=True)
)

DESCRIPTIONS = {
    "a billion laughs": (LAUGHS, "stands for more than 50000 values"),
    "a billion merges": (MERGED, "stands for more than 50000 values"),
    "a list that holds itself": ("a: &a [*a, *a]", "stands for more than 50000 values"),
    "much text": ("a: " + "x" * YAML_BYTES, "more than 128 kB"),
    "depths": ("- " * 5000, "nested too deeply"),
    "brackets": ("[" * 5000, "more than 1000 brackets"),
    "no YAML": ("{a: [", "not valid YAML"),
    "bytes": (b"\xff\xfe\x00\x00\x80", "not valid YAML"),
    "two fields of one name": ("type: model\ntype: model", "not valid YAML"),
    "a list": ("[1, 2]", "without fields"),
    "nothing": ("", "without fields"),
    "no model": ("type: model", "no valid description"),
    "a data set": (
        "{type: dataset, format_version: 0.3.0, name: cells, description: b, authors: [{name: c}], "
        "cite: [{text: d, doi: 10.1000/xyz123}], license: MIT}",
        "describes a dataset, not a model",
    ),
    "numbers for names": ("1: 2\n3: 4", "no valid description|cannot be understood"),
    "another version": ("{type: model, format_version: 9.9.9, name: a}", "no valid description"),
}


@pytest.mark.parametrize("name", DESCRIPTIONS)
@pytest.mark.timeout(30)
def test_descriptions_that_are_none(tmp_path: Path, name: str) -> None:
    """YAML bombs, other files and descriptions of other things take little time and give one sentence."""
    content, message = DESCRIPTIONS[name]
    folder = write(tmp_path / "p", content)
    started = time.perf_counter()
    said = refusal(folder)
    assert any(one in said for one in message.split("|"))
    assert time.perf_counter() - started < 10


@pytest.mark.parametrize("tag", ["!!python/object/apply:os.system", "!!python/object/new:os.system"])
def test_yaml_runs_nothing(tmp_path: Path, tag: str) -> None:
    """Tags that make objects of Python are not followed."""
    marker = tmp_path / "it-ran"
    folder = write(tmp_path / "p", f"a: {tag} ['touch {marker}']")
    assert "not valid YAML" in refusal(folder)
    assert not marker.exists()


def test_few_aliases_are_fine(tmp_path: Path) -> None:
    """Descriptions that say the same thing once only, as bioimage.io's own tools write them, are read."""
    folder = plain(tmp_path / "p")
    text = (folder / "rdf.yaml").read_text()
    batch = '[{"type": "batch"}'
    assert text.count(batch) == 2
    text = text.replace(batch, '[&batch {"type": "batch"}', 1).replace(batch, "[*batch ", 1)
    (folder / "rdf.yaml").write_text(text)
    assert ex.load_model(folder).card.axes == "yx"


# --- files -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("source", ["../secret.pt", "a/../../secret.pt", "/etc/hostname"])
def test_files_outside_of_a_package_are_not_read(tmp_path: Path, source: str) -> None:
    """A description cannot name what lies elsewhere on the disk."""
    torchscript(tmp_path, nn.Identity())
    (tmp_path / "script.pt").rename(tmp_path / "secret.pt")
    weights = {"source": source, "pytorch_version": "2.6"}
    message = refusal(write(tmp_path / "p", v05(torchscript=weights, halo=0)))
    assert "outside of the package" in message


def test_files_that_are_missing_or_changed_are_told(tmp_path: Path) -> None:
    """Weights that are not there, or not those of the description, are not loaded."""
    folder = plain(tmp_path / "p")
    other = torch.jit.script(nn.ReLU())
    other.save(str(folder / "script.pt"))
    assert "sha256 differs" in refusal(folder)
    (folder / "script.pt").unlink()
    assert "lacks the file script.pt" in refusal(folder)


def test_weights_for_others_only(tmp_path: Path) -> None:
    """A package for ONNX or TensorFlow names what it is for and what can be used."""
    (tmp_path / "w").write_bytes(b"x")
    onnx = {"source": "w.onnx", "opset_version": 15}
    tensorflow = {"source": "w.zip", "tensorflow_version": "2.4"}
    weights = {"onnx": onnx, "tensorflow_saved_model_bundle": tensorflow}
    message = refusal(write(tmp_path / "p", v05(halo=0, **weights)))
    assert "has weights for ONNX, Tensorflow Saved Model only" in message
    assert "TorchScript, or weights with their code" in message


class Evil:
    """What runs a command when it is unpickled."""

    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self) -> tuple[Any, ...]:
        return (Path.touch, (self.marker,))


def test_consent_to_code_is_none_to_pickles(tmp_path: Path) -> None:
    """Weights that would run something when they are read are refused with consent, too."""
    folder, marker = tmp_path / "p", tmp_path / "it-ran"
    code = {"import_from": "torch.nn", "callable": "Identity"}
    entry = state_dict(folder, nn.Identity(), code)
    torch.save({"weight": Evil(marker)}, folder / "state.pt")
    del entry["sha256"]
    refusal(write(folder, v05(pytorch_state_dict=entry, halo=0)), trust_code=True)
    assert not marker.exists()
    (folder / "state.pt").write_bytes(pickle.dumps(Evil(marker)))
    refusal(folder, trust_code=True)
    assert not marker.exists()


# --- zip files ---------------------------------------------------------------------------------------------


def test_zip_files_that_mean_harm(tmp_path: Path) -> None:
    """Zip bombs and names that lead elsewhere are refused before anything is written."""
    for name, data in {"bomb": b"\0" * (80 << 20), "../outside.txt": b"x"}.items():
        path = tmp_path / "evil.zip"
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("rdf.yaml", "type: model")
            archive.writestr(name, data)
        assert "evil.zip" in refusal(path)
        assert [file.name for file in tmp_path.iterdir()] == ["evil.zip"]


@pytest.mark.parametrize("part", [0.0, 0.3, 0.999])
def test_truncated_zip_files(tmp_path: Path, part: float) -> None:
    """A zip file that was not copied to its end says so."""
    path = zipped(plain(tmp_path / "p"))
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * part)])
    assert "p.zip" in refusal(path)


def test_nothing_stays_of_a_zip_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was unpacked is removed again, after loading as after a refusal."""
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    monkeypatch.setattr(bioimageio_package.tempfile, "tempdir", str(scratch))
    model = ex.load_model(zipped(plain(tmp_path / "p")))
    assert check_model(model).agrees
    refusal(zipped(plain(tmp_path / "q", before=[step("softmax")])))
    assert list(scratch.iterdir()) == []


# --- tests of packages -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "cannot be read"),
        (b"no array", "cannot be read"),
        (pickle.dumps([1, 2]), "cannot be read"),
        (b"\x93NUMPY\x01\x00", "cannot be read"),
        (
            b"\x93NUMPY\x01\x00F\x00"
            + b"{'descr': '<f4', 'fortran_order': False, 'shape': (9999999999999,), }".ljust(69)
            + b"\n",
            "cannot be read",
        ),
    ],
)
def test_test_tensors_that_are_none(tmp_path: Path, data: bytes, message: str) -> None:
    """Test tensors that are damaged, pickled or larger than their file give one sentence."""
    folder = plain(tmp_path / "p")
    model = ex.load_model(folder)
    (folder / "test_input.npy").write_bytes(data)
    with pytest.raises(ModelFileError, match=message):
        check_model(model)


def test_only_packages_have_tests() -> None:
    """A model that came from elsewhere has no test to run."""
    with pytest.raises(ModelFileError, match="comes from no bioimage"):
        check_model(ex.load_model("colonies-demo"))


# --- ids and what is not installed -------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["affable-shark", "affable-shark/1.1", "https://example.org/a/rdf.yaml"])
def test_ids_are_fetched_by_bioimageio_spec(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """An id is what bioimageio.spec fetches; where it cannot, the bundled names are told as well."""
    spec = pytest.importorskip("bioimageio.spec")
    folder, asked = plain(tmp_path / "p"), []

    def fetched(what: str, output_path: Path, **options: Any) -> Path:
        asked.append((what, options["weights_priority_order"]))
        return Path(folder.rename(output_path))

    monkeypatch.setattr(spec, "save_bioimageio_package_as_folder", fetched)
    assert ex.load_model(name).card.source == name
    assert asked == [(name, ("torchscript", "pytorch_state_dict"))]

    def offline(*_arguments: Any, **_options: Any) -> Path:
        raise OSError("no route to host\nand more")

    monkeypatch.setattr(spec, "save_bioimageio_package_as_folder", offline)
    message = refusal(name)
    assert "the bundled ones are colonies-demo" in message
    assert f"{name} cannot be fetched from bioimage.io: check the name" in message


def test_addresses_of_files_are_fetched_by_bioimageio_spec(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Weights that lie elsewhere come through bioimageio.spec, have the right sha256, and are not kept."""
    folder = plain(tmp_path / "p")
    text = (folder / "rdf.yaml").read_text()
    (folder / "rdf.yaml").write_text(text.replace('"script.pt"', '"https://example.org/script.pt"'))
    weights = folder / "script.pt"
    data = weights.read_bytes()
    weights.unlink()
    before = sorted(folder.iterdir())
    from bioimageio.spec.common import FileDescr

    monkeypatch.setattr(FileDescr, "get_reader", lambda _self, **_options: io.BytesIO(data))
    assert ex.load_model(folder).card.axes == "yx"
    assert sorted(folder.iterdir()) == before
    monkeypatch.setattr(FileDescr, "get_reader", lambda _self, **_options: io.BytesIO(b"other"))
    assert "sha256 differs" in refusal(folder)
    monkeypatch.setattr(FileDescr, "get_reader", lambda _self, **_options: 1 / 0)
    assert "https://example.org/script.pt, which cannot be fetched" in refusal(folder)


def test_without_bioimageio_spec(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where bioimageio.spec is not installed, the one command that installs it is told."""
    folder = plain(tmp_path / "p")
    monkeypatch.setitem(sys.modules, "bioimageio.spec", None)
    assert refusal(folder) == INSTALL
    assert 'pip install "napari-exactile[bioimageio]"' in INSTALL


@pytest.mark.parametrize("what", ["unet", "missing.zip", "missing/rdf.yaml", "a b"])
def test_what_is_neither_a_name_nor_a_file(what: str) -> None:
    """Names that are none are not looked up anywhere."""
    with pytest.raises(ValueError, match=r"there is no (model|file)"):
        ex.load_model(what)
