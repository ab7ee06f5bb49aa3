"""What comes with a model and is not understood is named where the model is shown; nothing of it is run."""

from __future__ import annotations

import json
from collections import OrderedDict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import nn
from torch.export import Dim, export, save

import napari_exactile as ex
from command_line import MODEL, call, summary
from napari_exactile.models.unet import UNet
from napari_exactile.run.store.report_file import earlier_report
from packages import torchscript, v04, v05, write, zipped

TAIL = "not used: if"


def network() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(1, 4, 3, padding=1), nn.ReLU(), nn.Conv2d(4, 2, 1)).eval()


def unet() -> UNet:
    torch.manual_seed(0)
    return UNet(levels=2, convolutions=1, base=4, classes=2).eval()


def script(path: Path, **extra: str) -> Path:
    """Write TorchScript with the extra files that MONAI writes, say."""
    torch.jit.save(torch.jit.script(network()), path, _extra_files=extra)
    return path


def prepared(folder: Path) -> Path:
    return script(folder / "bundle.ts", **{"metadata.json": '{"a": 1}', "inference.json": "{}"})


def image() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 255, (60, 70)).astype(np.uint8)


def notes(path: str | Path) -> str:
    return "; ".join(ex.load_model(path).card.notes)


def test_extra_files_of_torchscript_are_named(tmp_path: Path) -> None:
    """They are not read: normalisation and classes are those that such a file has without them."""
    model = ex.load_model(prepared(tmp_path))
    assert model.card.notes == (
        "extra/inference.json and extra/metadata.json in the file are not used: if they say how images are "
        "prepared or what the classes are, choose that yourself",
    )
    assert model.card.normalization == "z-score"


def test_extra_files_of_exported_programs_are_named(tmp_path: Path) -> None:
    """torch.export writes them beside the program."""
    size = {2: Dim.DYNAMIC, 3: Dim.DYNAMIC}
    program = export(network(), (torch.zeros(1, 1, 64, 64),), dynamic_shapes=(size,))
    save(program, tmp_path / "plain.pt2")
    save(program, tmp_path / "more.pt2", extra_files={"mean.json": "[1]"})
    assert notes(tmp_path / "plain.pt2") == ""
    assert notes(tmp_path / "more.pt2").startswith("extra/mean.json in the file is not used: if it says")


@pytest.mark.parametrize("zip_format", [True, False])
def test_keys_beside_the_weights_are_named(tmp_path: Path, zip_format: bool) -> None:
    """Those of the training itself, which say nothing of an image, are not."""
    more = {"hyper_parameters": {"mean": 1.5}, "classes": ["a", "b"], "std": torch.ones(1), "epoch": 3}
    training = {"optimizer_states": [], "lr_schedulers": [], "global_step": 7, "best_loss": 0.5}
    content = {"state_dict": unet().state_dict()} | more | training
    torch.save(content, tmp_path / "net.pth", _use_new_zipfile_serialization=zip_format)
    said = notes(tmp_path / "net.pth")
    assert said.startswith("hyper_parameters, classes and std beside the weights are not used: if they say")


@pytest.mark.parametrize("key", ["state_dict", "model", None])
def test_weights_by_themselves_need_no_note(tmp_path: Path, key: str | None) -> None:
    """Neither in a dictionary nor without one, also with the versions that torch notes in it."""
    state = OrderedDict(unet().state_dict())
    torch.save({key: state} if key else state, tmp_path / "net.pth")
    assert notes(tmp_path / "net.pth") == ""


def test_other_weights_are_named(tmp_path: Path) -> None:
    """Where there are averaged weights, too, one should know which ones count."""
    state = unet().state_dict()
    torch.save({"state_dict": state, "model_ema": state}, tmp_path / "net.pth")
    assert notes(tmp_path / "net.pth").startswith("model_ema beside the weights is not used")


def test_metadata_of_safetensors_are_named(tmp_path: Path) -> None:
    """But for the mark of the library that wrote them."""
    save_file(unet().state_dict(), tmp_path / "plain.safetensors", {"format": "pt"})
    save_file(unet().state_dict(), tmp_path / "more.safetensors", {"format": "pt", "std": "2", "mean": "1"})
    assert notes(tmp_path / "plain.safetensors") == ""
    assert notes(tmp_path / "more.safetensors").startswith("mean and std in the file's metadata are not used")


@pytest.mark.parametrize("how", ["script", "trace", "freeze"])
def test_what_torch_writes_by_itself_is_no_extra(tmp_path: Path, how: str) -> None:
    """Code, constants and the inputs of a trace belong to the network."""
    made: Any = torch.jit.trace(network(), torch.zeros(1, 1, 8, 8)) if how == "trace" else None
    made = made or torch.jit.script(network())
    (torch.jit.freeze(made) if how == "freeze" else made).save(tmp_path / "net.pt")
    assert notes(tmp_path / "net.pt") == ""


def test_files_beside_a_model_are_named(tmp_path: Path) -> None:
    """Those of its name and of the names that such files usually have, and no others."""
    for name in (
        "net.json",
        "net_meta.yaml",
        "preprocessor_config.json",
        "other.json",
        "net.txt",
        "notes.yaml",
    ):
        (tmp_path / name).write_text("{}")
    said = notes(script(tmp_path / "net.pt"))
    assert said.startswith(
        "net.json, net_meta.yaml and preprocessor_config.json beside the file are not used"
    )
    bundle = tmp_path / "bundle"
    for folder in "models", "configs":
        (bundle / folder).mkdir(parents=True)
    (bundle / "configs" / "inference.yaml").write_text("imports: $import os")
    assert notes(script(bundle / "models" / "model.ts")).startswith(
        "configs/inference.yaml beside the file is"
    )


def test_names_are_as_harmless_as_they_look(tmp_path: Path) -> None:
    """What a file calls its parts is shown, so it can neither break lines nor be endless."""
    extra = {"0\nline\x1b[31m": 1} | {f"{i:03} " + "x" * 200: "" for i in range(40)}
    torch.save({"state_dict": unet().state_dict()} | extra, tmp_path / "net.pth")
    said = notes(tmp_path / "net.pth")
    assert said.isprintable()
    assert "and 36 more beside the weights are not used" in said
    assert len(said) < 600


def test_fields_of_a_description_are_named(tmp_path: Path) -> None:
    """What changes a result elsewhere and is ignored here: ways to run it, and other programs' settings."""
    weights = torchscript(tmp_path / "a", network())
    config = {"bioimageio": {"reproducibility_tolerance": []}, "deepimagej": {"a": 1}, "stardist": {"b": 2}}
    extra = {"run_mode": {"name": "deepimagej"}, "config": config}
    said = notes(write(tmp_path / "a", v05(torchscript=weights) | extra))
    assert said.startswith(
        "run_mode (deepimagej), config.deepimagej and config.stardist in the description are not used"
    )
    old = {"config": {"deepimagej": {"a": 1}}, "attachments": {"files": ["pre.ijm", "readme.txt"]}}
    (tmp_path / "a" / "pre.ijm").write_text("run('Invert')")
    (tmp_path / "a" / "readme.txt").write_text("")
    said = notes(write(tmp_path / "a", v04(torchscript=weights) | old))
    assert "config.deepimagej in the description is not used" in said
    assert "pre.ijm in the package is not used" in said


@pytest.mark.parametrize("form", ["folder", "zip"])
def test_files_of_a_package_that_nobody_declares_are_named(tmp_path: Path, form: str) -> None:
    """In folders of it, too; what the description names is not, and neither is what conda reads."""
    folder = tmp_path / "a"
    description = v05(torchscript=torchscript(folder, network()))
    assert notes(write(folder, description)) == ""
    for name in "plans.json", "environment.yaml", "notes.txt":
        (folder / name).write_text("{}")
    if form == "folder":
        (folder / "configs").mkdir()
        (folder / "configs" / "inference.yaml").write_text("{}")
    said = notes(folder if form == "folder" else zipped(folder))
    named = "configs/inference.yaml and plans.json" if form == "folder" else "plans.json"
    assert said.startswith(f"{named} in the package {'are' if form == 'folder' else 'is'} not used")


def test_the_weights_of_a_package_are_looked_into(tmp_path: Path) -> None:
    """They are files like others."""
    entry = torchscript(tmp_path / "a", network())
    prepared(tmp_path).replace(tmp_path / "a" / "script.pt")
    del entry["sha256"]
    assert "extra/metadata.json in the file are not used" in notes(
        write(tmp_path / "a", v05(torchscript=entry))
    )


def test_an_own_note_wins() -> None:
    """Like all other facts; a network of one's own and a bundled one come with nothing."""
    assert ex.load_model(network()).card.notes == ex.load_model(MODEL).card.notes == ()
    assert ex.load_model(network(), notes=("mine",)).card.notes == ("mine",)


def test_commands_and_reports_name_them(tmp_path: Path) -> None:
    """`inspect` in its table, `segment` before it begins and at its end, and the report in a store."""
    model, out = prepared(tmp_path), tmp_path / "labels.ome.zarr"
    words = ex.load_model(model).card.notes[0]
    assert summary(call("inspect", model, "--shape", "64,64"))["note"] == words
    np.save(tmp_path / "image.npy", image())
    result = call("segment", tmp_path / "image.npy", "--model", model, "--out", out)
    assert f"Note: {words}.\n" in result.stderr
    assert summary(result)["note"] == words
    assert earlier_report(out)["notes"] == [words]
    for run in ex.segment, ex.segment_whole:
        assert run(image(), model).report.notes == (words,)
    stack = np.stack([image()] * 2)
    assert ex.segment(stack, model, axes="tyx").report.notes == (words,)
    preview = call("preview", tmp_path / "image.npy", "--model", model, "--radius", 0, "--tile", 32)
    assert f"Note: {words}.\n" in preview.stderr


def test_nothing_is_run(tmp_path: Path) -> None:
    """Extra files may be anything; they are not even read."""
    evil = {"inference.json": json.dumps({"_target_": "os.system", "command": f"touch {tmp_path}/ran"})}
    assert notes(
        script(tmp_path / "net.ts", **evil, **{"code.py": "raise SystemExit", "more.pkl": "cos\nexit"})
    )
    assert not (tmp_path / "ran").exists()
