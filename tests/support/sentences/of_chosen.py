"""Settings files, and what is made of reports, that cannot be used."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np

import napari_exactile as ex
from command_line import MODEL, call
from napari_exactile.run.store.settings_in import settings_in
from napari_exactile.run.task.chosen import ModelChoice
from napari_exactile.run.words.commands import as_command, as_script
from sentences.given import network, say, segmented, store, tiff
from sentences.of_models import saved
from sentences.of_weights import unet
from sentences.table import Rows

ROWS = Rows("chosen")
FILE = "in {folder}/exactile.toml, "


def loaded(folder: Path, text: str | bytes) -> Any:
    path = folder / "exactile.toml"
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return ex.SettingsFile.load(path)


@ROWS.says(
    "{folder}/none.toml cannot be read (there is no such file or folder): choose another settings file"
)
def no_file(folder: Path) -> Any:
    return ex.Settings.load(folder / "none.toml")


@ROWS.says("{folder}/exactile.toml is no settings file, as it is larger than 1 MiB: choose another file")
def large_file(folder: Path) -> Any:
    return loaded(folder, b"#" * 2**21)


@ROWS.says("{folder}/exactile.toml is no TOML (in line 2, column 8): correct it there, or save it anew")
def no_toml(folder: Path) -> Any:
    return loaded(folder, "# tile\ntile = large")


@ROWS.says("{folder}/exactile.toml is no TOML (it ends too early): correct it there, or save it anew")
def half_a_file(folder: Path) -> Any:
    return loaded(folder, "tile = ")


@ROWS.says("{folder}/exactile.toml is no TOML in UTF-8: correct it there, or save it anew")
def no_text(folder: Path) -> Any:
    return loaded(folder, b'axes = "\xff\xfe"')


@ROWS.says(f"{FILE}there is no key 'Tiles': the nearest one is 'tile', so write that, or leave it out")
def unknown_key(folder: Path) -> Any:
    return loaded(folder, "Tiles = 512")


@ROWS.says(
    f"{FILE}there is no key 'sha' of the model: the nearest one is 'sha256', so write that, or leave it out"
)
def unknown_key_of_the_model(folder: Path) -> Any:
    return loaded(folder, '[model]\nname = "colonies-demo"\nsha = "0"')


@ROWS.says(
    f"{FILE}there is no key 'class' among the facts of the model: the nearest one is 'classes', so write "
    "that, or leave it out"
)
def unknown_fact(folder: Path) -> Any:
    return loaded(folder, '[model]\nname = "colonies-demo"\n[model.facts]\nclass = "cell"')


@ROWS.says(f"{FILE}the model is named by its name or by its path: give one of them")
def model_without_a_name(folder: Path) -> Any:
    return loaded(folder, '[model]\nsha256 = "0"')


@ROWS.says(f"{FILE}they were written by another version of napari-exactile: use that one")
def other_version(folder: Path) -> Any:
    return loaded(folder, "format = 99")


@ROWS.says(f"{FILE}together is True or False, not 'yes': give one of them")
def together_text(folder: Path) -> Any:
    return loaded(folder, 'together = "yes"')


@ROWS.says(f"{FILE}stream is True or False, not 1: give one of them")
def stream_number(folder: Path) -> Any:
    return loaded(folder, "stream = 1")


@ROWS.says(f"{FILE}plane is not a list or null: correct it, or leave it out")
def plane_text(folder: Path) -> Any:
    return loaded(folder, 'plane = "3"')


@ROWS.says(
    f"{FILE}pixel_size is a list of micrometres above 0, such as [0.5, 0.5]: correct it, or leave it out"
)
def size_below_nothing(folder: Path) -> Any:
    return loaded(folder, "pixel_size = [0.5, -0.5]")


@ROWS.says(f"{FILE}memory_limit takes bytes such as 2GB, not 'lots'")
def memory_text(folder: Path) -> Any:
    return loaded(folder, 'memory_limit = "lots"')


@ROWS.says(
    f'{FILE}normalization is a text such as "z-score", or a list of steps such as '
    "{{ step = \"ZScore\" }}, not {{'step': 'Z'}}".replace("{{", "{").replace("}}", "}")
)
def unknown_step(folder: Path) -> Any:
    return loaded(folder, 'normalization = [{ step = "Z" }]')


@ROWS.says("{folder}/none/a.toml cannot be written (there is no such file or folder): choose another place")
def no_folder(folder: Path) -> Any:
    return ex.Settings().save(folder / "none" / "a.toml")


@ROWS.says("the settings names no model: choose one")
def no_model(folder: Path) -> Any:
    return ex.SettingsFile().load_model()


@ROWS.says(
    "the model {folder}/net.pt that {folder}/exactile.toml names is not there: put it back, or name another "
    "one (--model)"
)
def model_gone(folder: Path) -> Any:
    return loaded(folder, '[model]\npath = "net.pt"').load_model()


@ROWS.says(
    "the model {folder}/net.pth is not the one that {folder}/exactile.toml was made with, as its content is "
    "another: put that one back, or name this one (--model) if you mean it"
)
def other_model(folder: Path) -> Any:
    saved(unet)(folder / "net.pth")
    text = '[model]\npath = "net.pth"\nsha256 = "0"'
    assert loaded(folder, text)
    return call("segment", tiff(folder / "a.tif"), "--settings", folder / "exactile.toml")


@ROWS.says(
    "{folder}/exactile.toml names the model os:getcwd, which is code that would be run: where you trust it, "
    "pass trust_code=True (--trust-code), or choose another model"
)
def model_of_code(folder: Path) -> Any:
    return loaded(folder, '[model]\nname = "os:getcwd"').load_model()


@ROWS.says("no model is named: pass --model, or --settings with a file that names one")
def command_without_a_model(folder: Path) -> Any:
    return call("segment", tiff(folder / "a.tif"))


@ROWS.says("--region takes pixels such as 0:512,100:600, not '512'")
def region_as_a_number(folder: Path) -> Any:
    return call("segment", tiff(folder / "a.tif"), "--model", MODEL, "--region", "512")


@ROWS.says("--plane takes a number such as 3, or 3,0, not 'all'")
def plane_as_a_word(folder: Path) -> Any:
    return call("segment", tiff(folder / "a.tif"), "--model", MODEL, "--plane", "all")


@ROWS.says("there is no plane 7 in the image: its planes are numbered from 0 on along 2; choose one")
def plane_beyond(folder: Path) -> Any:
    return segmented(np.zeros((2, 40, 50)), axes="tyx", plane=7)


@ROWS.says("there is no plane 1 in the image: it has one; choose one")
def plane_of_an_image(folder: Path) -> Any:
    return segmented(np.zeros((40, 50)), plane=1)


@ROWS.says("a plane is a number from 0 on for each axis of the stack, such as 3 or (3, 0), not 'last'")
def plane_of_text(folder: Path) -> Any:
    return segmented(np.zeros((2, 40, 50)), axes="tyx", plane="last")


@ROWS.says("the model is in no file that settings could name: save it, and load it from there")
def settings_of_a_network(folder: Path) -> Any:
    return ex.SettingsFile.of(network())


# --- what reports say


@ROWS.says("{folder}/none.json cannot be read (there is no such file or folder): choose another report")
def no_report(folder: Path) -> Any:
    return settings_in(folder / "none.json")


@ROWS.says("{folder}/a.json is no report: choose one that the dock has saved, or a label store")
def other_json(folder: Path) -> Any:
    (folder / "a.json").write_text("[]")
    return settings_in(folder / "a.json")


@ROWS.says(
    "{folder}/a.json is no report that can be read (the report was written by another version of "
    "napari-exactile): choose another one"
)
def report_of_another_version(folder: Path) -> Any:
    (folder / "a.json").write_text("{}")
    return settings_in(folder / "a.json")


@ROWS.says(
    "{folder}/a.ome.zarr/exactile/report.json was written by an earlier version, which did not keep all "
    "settings: name the label store"
)
def report_of_old(folder: Path) -> Any:
    path = store(folder) / "exactile" / "report.json"
    say(path, lambda content: content.pop("settings") and None)
    return settings_in(path)


@ROWS.says(
    "the settings in {folder}/a.ome.zarr/exactile/report.json cannot be used, as a tile needs at least 1 px, "
    "not 0"
)
def report_of_no_settings(folder: Path) -> Any:
    path = store(folder) / "exactile" / "report.json"
    say(path, lambda content: content["settings"].update(tile=0))
    return settings_in(path)


@ROWS.says("{folder} is no label store of napari-exactile: choose one that it has written")
def folder_of_nothing(folder: Path) -> Any:
    return settings_in(folder)


# --- commands and scripts

HOW = ": save the settings, and pass them with --settings"


@ROWS.says("the model is in no file: save it, and open it from there, for others to find it")
def script_of_no_model(folder: Path) -> Any:
    return as_script(ex.SettingsFile(), "a.tif")


@ROWS.says(f"no option of the command says what was said of the model{HOW}")
def command_with_facts(folder: Path) -> Any:
    model = ModelChoice(os.devnull, "", {"classes": ("a", "b")})
    return as_command(ex.SettingsFile(model=model), "a.tif")


@ROWS.says(f"no option of the command says these steps of a normalisation{HOW}")
def command_with_steps(folder: Path) -> Any:
    settings = ex.Settings(normalization=(ex.ZScore(eps=1e-6),))
    return as_command(ex.SettingsFile(settings, ModelChoice(MODEL)), "a.tif")


@ROWS.says(f"no option of the command says how many windows are checked (3){HOW}")
def command_with_windows(folder: Path) -> Any:
    content = {"check": 3, "model": {"name": MODEL}}
    return as_command(ex.SettingsFile.of_plain(content, "it"), "a.tif")
