"""A trained model of bioimage.io in every form of a package: loaded, checked against its own test, exact."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import napari_exactile as ex
from command_line import assert_refused, call, summary
from napari_exactile.images.normalize.steps import ZScore
from napari_exactile.models.bioimageio.weights import NeedsConsentError
from napari_exactile.models.card import ModelCard
from napari_exactile.models.files.archive import ModelFileError
from napari_exactile.run.check.model_check import check_model
from napari_exactile.run.plan.sizes import size_notes
from nuclei_package import SOURCE, Z_SCORE, nuclei
from nucleus_unet import sample, trained
from packages import SIZE, output, sha256, state_dict, step, tensors, torchscript, v05, write, zipped


@pytest.mark.parametrize(
    ("form", "old", "packed"),
    [
        pytest.param("torchscript", False, False, id="v0.5-torchscript-folder"),
        pytest.param("torchscript", True, True, id="v0.4-torchscript-zip"),
        pytest.param("state_dict", False, True, id="v0.5-state_dict-zip"),
        pytest.param("state_dict", True, False, id="v0.4-state_dict-folder"),
    ],
)
def test_a_trained_model_reproduces_its_own_test(tmp_path: Path, form: str, old: bool, packed: bool) -> None:
    """Folders and zip files of both versions load, and give the test output of the package to 1e-4."""
    folder = nuclei(tmp_path / "nuclei", form, old=old)
    model = ex.load_model(zipped(folder) if packed else str(folder), trust_code=True)
    check = check_model(model)
    assert check.agrees
    assert check.outputs[0].difference < 1e-4
    assert "prob: agrees" in check.describe()
    assert model.card.normalization == (ZScore(eps=1e-6),)
    assert (model.card.kind, model.card.probabilities, model.card.threshold) == ("threshold", False, 0.5)
    assert (model.card.halo, model.card.minimum, model.card.step) == ((32, 32), (128, 128), (16, 16))
    assert (model.card.axes, model.card.channels, model.card.output) == ("yx", 1, None)
    assert not model.module.training


def test_the_card_tells_what_the_description_says(tmp_path: Path) -> None:
    """Names, pixel size, source, citation and licence are those of the description."""
    folder = nuclei(tmp_path / "nuclei")
    card = ex.load_model(folder / "rdf.yaml").card
    assert (card.name, card.title, card.summary) == ("nuclei-test", "Nuclei (test)", "finds nuclei")
    assert (card.channel_names, card.classes) == (("dapi",), ("background", "nucleus"))
    assert (card.pixel_size, card.licence) == (0.5, "MIT")
    assert card.citation == "Pape https://doi.org/10.1000/xyz123"
    assert card.source == str(folder / "rdf.yaml")


def test_packages_are_found_from_where_one_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A path that goes up first is one, and its test is found from elsewhere, too."""
    folder = nuclei(tmp_path / "nuclei")
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    model = ex.load_model("../nuclei")
    monkeypatch.chdir(tmp_path)
    assert model.card.source == str(folder)
    assert check_model(model).agrees


def test_facts_overrule_the_description(tmp_path: Path) -> None:
    """What a person says of a model counts more than what its description says."""
    card = ex.load_model(nuclei(tmp_path / "nuclei"), threshold=0.3, pixel_size=0.65).card
    assert (card.threshold, card.pixel_size) == (0.3, 0.65)


def test_a_package_is_tiled_exactly(tmp_path: Path) -> None:
    """Tiles give the labels of one pass, with the radius 56 that the network needs, not the declared 32."""
    model = ex.load_model(nuclei(tmp_path / "nuclei", "state_dict"), trust_code=True)
    image = sample("test_input")[0, 0, 100:350, 120:350]
    result = ex.segment(image, model, tile=176)
    whole = ex.segment_whole(image, model)
    assert result.report.exact
    assert (result.labels.shape, result.report.tiles) == ((250, 230), 16)
    np.testing.assert_array_equal(result.labels, whole.labels)
    assert 0 < whole.labels.mean() < 1
    analysis = ex.analyse(model, image.shape)
    assert (analysis.factor, analysis.radius) == ((8, 8), (56, 56))
    assert size_notes(model.card, analysis) == (
        "its makers allow sizes of 128 + n * 16 px; tiles here are multiples of 8 px",
        "its makers declare a halo of 32 px; it needs 54, so 56",
    )


def test_other_weights_do_not_agree(tmp_path: Path) -> None:
    """A test that comes out differently says so, and by how much; so does one of another shape."""
    folder = nuclei(tmp_path / "nuclei", "state_dict")
    model = ex.load_model(folder, trust_code=True)
    expected = sample("test_output").copy()
    expected[0, 0, 5, 7] += 0.01
    tensors(folder, sample("test_input"), expected)
    check = check_model(model)
    assert not check.agrees
    assert check.outputs[0].mismatched == 1
    assert "does not agree, largest difference 1.0e-02" in check.describe()
    tensors(folder, sample("test_input"), expected[..., :-1])
    assert "cannot be compared" in check_model(model).describe()


@pytest.mark.parametrize(
    ("minimum", "step_", "halo", "notes"),
    [
        ((512, 512), (0, 0), (), ["used it on 512 px only"]),
        ((60, 60), (4, 4), (), ["sizes of 60 + n * 4 px", "some of theirs are padded"]),
        ((64, 32), (16, 8), (), ["64 + n * 16 x 32 + n * 8 px"]),
        ((), (), (64, 64), ["a halo of 64 px; 54 are enough, so 56"]),
        ((1, 1), (1, 1), (0, 0), []),
    ],
)
def test_sizes_are_set_beside_ours(minimum: Any, step_: Any, halo: Any, notes: list[str]) -> None:
    """Fixed sizes, other steps and a halo that is enough are told; nothing declared, nothing told."""
    analysis = ex.analyse(trained(), (256, 256))
    card = ModelCard("a", "A", axes="yx", minimum=minimum, step=step_, halo=halo)
    found = "; ".join(size_notes(card, analysis))
    assert all(note in found for note in notes)
    assert bool(found) == bool(notes)


def test_the_command_line_tells_notes_and_runs_the_test(tmp_path: Path) -> None:
    """`exactile inspect` tells the declared halo and, with --check, how the test came out."""
    folder = nuclei(tmp_path / "nuclei", "state_dict")
    assert_refused(call("inspect", folder), r"NucleusUNet in unet\.py")
    shown = summary(call("inspect", folder, "--shape", "256,256", "--check", "--trust-code"))
    assert shown["declared"] == "its makers declare a halo of 32 px; it needs 54, so 56"
    assert shown["test"].startswith("prob: agrees, largest difference")


# --- code --------------------------------------------------------------------------------------------------


def test_code_is_imported_after_consent_only(tmp_path: Path) -> None:
    """Without consent, the file is named and nothing of it runs; with it, the network is made by it."""
    folder = nuclei(tmp_path / "nuclei", "state_dict")
    marker = tmp_path / "it-ran"
    with_code(folder, f"open({str(marker)!r}, 'w').close()\n" + SOURCE)
    before = set(sys.modules)
    with pytest.raises(NeedsConsentError, match=r"unet\.py.*all your rights") as caught:
        ex.load_model(folder)
    assert caught.value.names == ("unet.py",)
    assert not marker.exists()
    model = ex.load_model(folder, trust_code=True)
    assert marker.exists()
    assert type(model.module).__name__ == "NucleusUNet"
    added = {name for name in set(sys.modules) - before if "unet" in name or "exactile_code" in name}
    assert [name.startswith("_exactile_code_") for name in added] == [True]


def test_changed_code_is_not_imported(tmp_path: Path) -> None:
    """A file with another sha256 than the description gives is not run, consent or not."""
    folder = nuclei(tmp_path / "nuclei", "state_dict")
    marker = tmp_path / "it-ran"
    (folder / "unet.py").write_text(f"open({str(marker)!r}, 'w').close()\n" + SOURCE)
    with pytest.raises(ModelFileError, match="sha256 differs"):
        ex.load_model(folder, trust_code=True)
    assert not marker.exists()


@pytest.mark.parametrize(
    ("code", "message"),
    [
        ("import napari_exactile_is_not_this", "unet.py cannot be imported .No module named"),
        ("NucleusUNet = 3", "takes other arguments than its description gives it"),
        ("def NucleusUNet(): return 3", "makes no torch.nn.Module"),
        ("class Other: pass", "is made by NucleusUNet, which is not in unet.py"),
        ("from torch import nn\ndef NucleusUNet(): return nn.Conv2d(1, 1, 1)", "do not fit its network"),
    ],
)
def test_code_that_makes_no_network(tmp_path: Path, code: str, message: str) -> None:
    """Code that fails, or makes something else, gives one sentence."""
    folder = nuclei(tmp_path / "nuclei", "state_dict")
    with_code(folder, code)
    with pytest.raises(ModelFileError, match=message) as caught:
        ex.load_model(folder, trust_code=True)
    assert "\n" not in str(caught.value)


def test_networks_of_libraries_are_code_too(tmp_path: Path) -> None:
    """A network of an installed library needs consent, and agrees then; one that is missing is named."""
    monai = pytest.importorskip("monai.networks.nets")
    sizes = {"spatial_dims": 2, "in_channels": 1, "out_channels": 1, "channels": [4, 8], "strides": [2]}
    network = monai.UNet(**sizes).eval()
    code = {"import_from": "monai.networks.nets", "callable": "UNet", "kwargs": sizes}
    folder = tmp_path / "monai"
    write(folder, v05(pytorch_state_dict=state_dict(folder, network, code)))
    image = np.random.default_rng(0).normal(size=(1, 1, 128, 128)).astype(np.float32)
    tensors(folder, image, network(torch.from_numpy(image)).detach().numpy())
    with pytest.raises(NeedsConsentError, match=r"UNet in monai\.networks\.nets"):
        ex.load_model(folder)
    assert check_model(ex.load_model(folder, trust_code=True)).agrees
    code |= {"import_from": "no_such_library.nets"}
    write(folder, v05(pytorch_state_dict=state_dict(folder, network, code)))
    with pytest.raises(ModelFileError, match=r"no_such_library\.nets, which is not installed"):
        ex.load_model(folder, trust_code=True)


def with_code(folder: Path, code: str) -> None:
    """Put another file in the place of the architecture, with its sha256."""
    (folder / "unet.py").write_text(code)
    entry = {"source": "unet.py", "callable": "NucleusUNet", "sha256": sha256(folder / "unet.py")}
    weights = {"source": "state.pt", "pytorch_version": "2.6", "architecture": entry}
    write(folder, v05(before=[Z_SCORE], after=[step("sigmoid")], pytorch_state_dict=weights))


# --- several outputs ---------------------------------------------------------------------------------------


class Two(nn.Module):
    """An image and its double."""

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        return x, 2 * x


def test_outputs_are_picked_by_name_or_position(tmp_path: Path) -> None:
    """The first of several outputs is taken unless another is named; the check compares all of them."""
    folder = tmp_path / "two"
    description = v05(torchscript=torchscript(folder, Two()), halo=0)
    second = output("double", ["twice"]) | {"test_tensor": {"source": "second.npy"}}
    description["outputs"].append(second | {"postprocessing": [step("sigmoid")]})
    write(folder, description)
    image = np.random.default_rng(1).normal(size=(1, 1, 128, 128)).astype(np.float32)
    tensors(folder, image, image)
    np.save(folder / "second.npy", 1 / (1 + np.exp(-2 * image)))
    assert ex.load_model(folder).card.output == 0
    assert ex.load_model(folder, output=1).card.kind == "threshold"
    model = ex.load_model(folder, output="double")
    assert (model.card.output, model.card.classes) == (1, ("background", "twice"))
    check = check_model(model)
    assert [(one.output, one.agrees) for one in check.outputs] == [("prob", True), ("double", True)]
    with pytest.raises(ModelFileError, match="no output 'triple': name one of its own, prob, double"):
        ex.load_model(folder, output="triple")


def test_fixed_sizes_are_kept_as_they_are_declared(tmp_path: Path) -> None:
    """A size that is one number is a minimum with a step of 0; one that follows another axis goes with it."""
    folder = tmp_path / "fixed"
    description = v05(torchscript=torchscript(folder, nn.Identity()), halo=0)
    axes, wider = description["inputs"][0]["axes"], {"tensor_id": "raw", "axis_id": "y", "offset": 16}
    axes[2]["size"], axes[3]["size"], description["outputs"][0]["axes"][3]["size"] = 96, wider, wider
    card = ex.load_model(write(folder, description)).card
    assert (card.minimum, card.step) == ((96, 112), (0, 0))
    axes[2]["size"] = SIZE
    card = ex.load_model(write(folder, description)).card
    assert (card.minimum, card.step) == ((128, 144), (16, 16))
