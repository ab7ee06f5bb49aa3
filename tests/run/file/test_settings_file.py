"""A settings file holds all that was chosen, gives it back, and says in a sentence what is wrong in it."""

from __future__ import annotations

import inspect
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import napari_exactile as ex
from napari_exactile.models.densenet import FCDenseNet
from napari_exactile.models.unet import UNet
from napari_exactile.run.file.records import ARCHITECTURE, FACTS, Around
from napari_exactile.run.store.settings_in import settings_in
from napari_exactile.run.task.chosen import ModelChoice
from sentences.of_models import saved

# A value of each field that is not the usual one.
OTHERS: dict[str, Any] = {
    "tile": 512,
    "radius": 96,
    "method": "approximate",
    "region": ((0, 512), (100, 600)),
    "normalization": (ex.Clip(0, None), ex.Affine((1.5, 2.0), (3.0, 4.0)), ex.Percentiles(1, 99, joint=True)),
    "probabilities": "float16",
    "device": "cpu",
    "memory_limit": 2_000_000_000,
    "scratch_limit": 5,
    "factor": 16,
    "threshold": 0.25,
    "together": True,
    "ignore": float("nan"),
    "output_kind": "logits",
    "padding": "always",
    "stream": True,
}
AROUND: dict[str, Any] = {
    "axes": "tcyx",
    "plane": (3,),
    "series": "overview",
    "allow_missing": True,
    "grey": "red",
    "pixel_size": (0.5, 0.25),
    "check": 3,
    "connectivity": 2,
    "min_size": 9,
    "count_objects": True,
    "jobs": 2,
}


def weights(path: Path) -> Path:
    saved(lambda: UNet(levels=1, base=2, softmax=False).state_dict())(path)
    return path


def test_everything_that_is_chosen_comes_back(tmp_path: Path) -> None:
    """Each field of settings, and each of what stands beside them, comes back from the file as it was."""
    assert set(OTHERS) == set(ex.Settings.names())
    assert set(AROUND) == set(Around.names())
    facts = {"classes": ("no", "cell"), "background": 0, "normalization": (ex.ZScore(),), "levels": 1}
    model = ModelChoice(str(weights(tmp_path / "net.pth")), "", facts)
    chosen = ex.SettingsFile(ex.Settings(**OTHERS), model, Around(**AROUND))
    chosen.save(tmp_path / "exactile.toml")
    again = ex.SettingsFile.load(tmp_path / "exactile.toml")
    assert (again.settings, again.model, again.around) == (chosen.settings, chosen.model, chosen.around)
    assert ex.Settings.load(tmp_path / "exactile.toml") == chosen.settings
    in_json = json.loads(json.dumps(chosen.as_json(), allow_nan=False))
    assert ex.SettingsFile.of_plain(in_json, "it").settings == chosen.settings


def test_what_is_not_chosen_is_not_in_the_file(tmp_path: Path) -> None:
    """Nothing is said of what is as it is anyway, this computer's devices and memory among it."""
    assert ex.SettingsFile().as_plain() == {}
    assert ex.SettingsFile.of_plain({}, "it") == ex.SettingsFile(name="it")
    for names, kind, others in ((OTHERS, ex.Settings, OTHERS), (AROUND, Around, AROUND)):
        for name in set(names) - {"method", "factor"}:
            assert list(kind(**{name: others[name]}).as_plain()) == [name]


def test_a_model_is_named_from_the_file(tmp_path: Path) -> None:
    """A model's path is relative to the file, so that both can be moved together."""
    (tmp_path / "a/models").mkdir(parents=True)
    model = ex.load_model(weights(tmp_path / "a/models/net.pth"), classes=("no", "cell"))
    ex.SettingsFile(model=ModelChoice.of(model)).save(tmp_path / "a/exactile.toml")
    assert 'path = "models/net.pth"' in (tmp_path / "a/exactile.toml").read_text()
    (tmp_path / "a").rename(tmp_path / "b")
    again = ex.SettingsFile.load(tmp_path / "b/exactile.toml").load_model()
    assert (again.name, again.card.classes) == ("net", ("no", "cell"))


def test_facts_are_those_that_can_be_given() -> None:
    """Whatever a card says, and a built-in network takes, can stand in a file, but for its origin."""
    parameters = {name for net in (UNet, FCDenseNet) for name in inspect.signature(net).parameters}
    assert parameters - {"self"} <= {*FACTS}
    assert {*ARCHITECTURE} - {"architecture"} <= parameters


def test_a_report_and_its_store_become_the_settings_again(tmp_path: Path) -> None:
    """What made labels can be had from their store, from the report in it, and from a store of old."""
    image = np.random.default_rng(0).random((60, 70), np.float32)
    path = weights(tmp_path / "net.pth")
    model = ex.load_model(path)
    given = {"tile": 36, "ignore": 0.0, "region": ((0, 48), (4, 60)), "device": "cpu", "stream": True}
    ex.segment(image, model, output=tmp_path / "a.ome.zarr", **given)
    wanted = ex.Settings(**given)
    report = tmp_path / "a.ome.zarr/exactile/report.json"
    for place in (tmp_path / "a.ome.zarr", report):
        found = settings_in(place)
        assert (found.settings, found.model) == (wanted, ModelChoice.of(model))
    content = json.loads(report.read_text())
    del content["settings"]
    report.write_text(json.dumps(content))
    old = settings_in(tmp_path / "a.ome.zarr")
    assert old.settings == ex.Settings(**{k: v for k, v in given.items() if k not in {"device", "stream"}})
    assert old.model == ModelChoice(str(path))


def test_a_plane_of_a_stack_is_segmented_alone(tmp_path: Path) -> None:
    """`plane` gives the labels that the plane has by itself, and its report says so to the settings."""
    stack = np.random.default_rng(0).random((3, 40, 50), np.float32)
    model = ex.load_model(weights(tmp_path / "net.pth"))
    one = ex.segment(stack, model, axes="tyx", plane=1, output=tmp_path / "a.ome.zarr")
    alone = ex.segment(stack[1], model)
    assert np.array_equal(np.asarray(one.labels)[1], alone.labels)
    around = settings_in(tmp_path / "a.ome.zarr").around
    assert (around.axes, around.plane) == ("tyx", (1,))


def test_facts_of_a_bundled_model_count() -> None:
    """What is said of a bundled model replaces what its card says, and it can be found again."""
    model = ex.load_model("colonies-demo", classes=("ground", "cell"))
    assert model.card.classes == ("ground", "cell")
    choice = ModelChoice.of(model)
    assert choice is not None
    assert (choice.source, dict(choice.facts)) == ("colonies-demo", {"classes": ("ground", "cell")})
    assert choice.loaded().card.classes == ("ground", "cell")


@pytest.mark.parametrize("name", ["large.toml", "folder.toml"])
def test_what_is_no_settings_file_is_refused(tmp_path: Path, name: str) -> None:
    """A file that is far too large is not read, and neither is a folder."""
    (tmp_path / "folder.toml").mkdir()
    (tmp_path / "large.toml").write_bytes(b"#" * 2**21)
    with pytest.raises(ValueError, match="choose another"):
        ex.SettingsFile.load(tmp_path / name)
