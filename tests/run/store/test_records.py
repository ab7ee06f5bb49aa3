"""What is written is read back equal, as it was written; what is wrong in it is said by file and field."""

from __future__ import annotations

import ast
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from msgspec import UNSET

import napari_exactile as ex
from kept_stores import KEPT, STORES, Pooled, pixels
from napari_exactile import version
from napari_exactile.images.store.files import AboutLine, ImageFacts, StoreFacts
from napari_exactile.images.store.journal import Journal, read_json, records_in, write_json, write_lines
from napari_exactile.record import Record
from napari_exactile.run.engine.passes.kept_tensors import TensorRecord
from napari_exactile.run.engine.passes.pass_records import PassRecord
from napari_exactile.run.file.records import Around, ModelRecord
from napari_exactile.run.many.rows import ImageRow
from napari_exactile.run.plan.settings import Settings
from napari_exactile.run.plan.settings_record import SettingsRecord
from napari_exactile.run.store import records
from napari_exactile.run.store.records import Line, SpoiltRecord, StepsRecord, TileRecord, WrittenReport
from napari_exactile.run.store.report_file import earlier_report
from napari_exactile.run.store.run_record import RunRecord
from napari_exactile.run.task.identity import Identity
from napari_exactile.run.task.origin import ImageOrigin, ModelOrigin, Origin, PartOrigin
from napari_exactile.run.task.said import Here, Said, made_again
from napari_exactile.run.words import report_record as sections

pytestmark = pytest.mark.usefixtures("one_thread")
SOURCE = Path(ex.__file__).parent
STEPS = (ex.Fill((0,)), ex.Clip(0, None), ex.Affine((1 / 3, 5e-324), (2, 1e300)))
ASKED = (ex.ZScore(joint=True), ex.Percentiles(1, 99.8), ex.Linear((2,), (-0.0,)), ex.Binarize((0.5,)))
REGION = ((8, 72), (0, 60))

SETTINGS = SettingsRecord(
    tile=512, radius="auto", method="trimmed", region=REGION, normalization=ASKED, factor="auto",
    threshold=0.25, probabilities="float16", together=True, ignore="nan", output_kind="values",
    padding="auto",
)  # fmt: skip
IDENTITY = Identity(
    image_shape=(1, 80, 70), image_file="9 bytes, 7", image_content="ab", model="cd", decision="Decision()",
    type_of_probabilities_or_values="none", normalization=ASKED, normalization_of_the_planes_together=False,
    value_to_ignore=0, method="trimmed", tile="auto", radius=(4, 4), size_factor=(2, 2),
    padding=("as it is", "reflected to 72 px"), region=None, device="cpu",
)  # fmt: skip
IMAGE = ImageOrigin(
    name="cells", path="/a.tif", axes="tyx", dtype="uint8", plane=(3,),
    arrays=(PartOrigin(path="/a.tif", part=(3, None, None), series="second", allow_missing=True),),
)  # fmt: skip
MODEL = ModelOrigin(name="net", title="Net: of cells", source="net.pt")
ORIGIN = Origin(image=IMAGE, model=MODEL)
WINDOW = sections.WindowRecord(
    plane=(1,), box=REGION, labels=4, differing=2, near_ties=1, scores=8, rmse=0.1, largest=None
)
CHECK = sections.CheckSection(
    seed=7, how="crops", reason="", agrees=False, labels=4, differing=2, near_ties=1, rmse=0.1, largest=None,
    windows=(WINDOW,),
)  # fmt: skip
REPORT = sections.ReportRecord(
    complete=True, exact=False, result="edited", edited=True, reason="", warnings=("odd",), notes=("slow",),
    reference="one pass",
    image=sections.ImageSection(name="cells", shape=(80, 70), channels=1, content="ab"),
    model=sections.ModelSection(name="net", title="Net", content="cd"),
    tiling=sections.TilingSection(
        method="trimmed", size_factor=(2, 2), padding=("as it is",) * 2, context=None, radius=(4, 4),
        zone=(60, 60), region=REGION, planes=1, tiles=4, tiles_done=3, passes=1, redundancy=1.25,
    ),
    output=sections.OutputSection(
        kind="classes", scale="logits", threshold=None, classes=("no", "yes"), shape=(80, 70),
        stride=(1.0, 1.0), offset=(0.0, 0.0), near_ties=9, nan_pixels=1,
    ),
    normalization=sections.NormalizationSection(
        steps=ASKED, ignore="nan", together=False,
        measured=(sections.MeasuredPlane(plane=(), steps=STEPS, words=("NaN becomes 0",)),),
    ),
    computing=sections.ComputingSection(
        device="cpu", device_name="x86", dtype="float32", arithmetic="ieee", memory_layout="torch's",
        statistics="float64", seconds=0.1,
    ),
    dates=sections.DatesSection(begun="2001-02-03T04:05:06+00:00", ended=None, runs=2),
    versions={"torch": "2.13.0"}, spot_check=CHECK,
)  # fmt: skip
RUN = RunRecord(
    identity=IDENTITY, settings=SETTINGS.as_json(), origin=ORIGIN.as_json(), zone=(60, 60), kept=(2, 8),
    tiles=4, channel_names=("a", "b"),
)  # fmt: skip
TASK = Said(
    origin=ORIGIN, identity=IDENTITY, model_files="ef", settings=SETTINGS, zone=(60, 60), kept=(2,),
    here=Here(device="cuda", memory_limit=2**40, scratch_limit=None), notes=("slow",), place=None,
)  # fmt: skip
EXAMPLES: list[Record] = [
    SETTINGS, IDENTITY, IMAGE.arrays[0], IMAGE, MODEL, ORIGIN, WINDOW, CHECK, REPORT, REPORT.image,
    REPORT.model, REPORT.tiling, REPORT.output, REPORT.normalization, REPORT.normalization.measured[0],
    REPORT.computing, REPORT.dates,
    AboutLine(about={"format": 3}), ImageFacts(spatial=2, channel=None),
    StoreFacts(images={"labels": ImageFacts(spatial=3, channel=1)}, files={"zarr.json": {"zarr_format": 3}}),
    RUN, TileRecord(number=3, box=REGION, crc=2**32 - 1, near_ties=2, made_by=(1, -1)),
    StepsRecord(steps=STEPS), SpoiltRecord(spoilt="it was changed"), WrittenReport(report=17),
    PassRecord(number=1, values={7: (((1,), "AAAAAAAA4D8="),), 12: ()}),
    Here(device="auto", memory_limit=None, scratch_limit=5), TASK,
    TensorRecord(shape=(1, 4, 80, 70), first=1, dtype="torch.float32", checksums=(7, 2**32 - 1)),
    ModelRecord(path="net.pt", sha256="ab", facts={"channels": 3}),
    Around(axes="tyx", plane=(3,), series="second", pixel_size=(0.5, 0.5), check=5, min_size=9, jobs=2),
    ImageRow(
        image="a.tif", output="a.ome.zarr", state="done", shape=(80, 70), pixel_size=(0.5, 0.5), tiles=6,
        seconds=1.5, exact=True, pixels={"cell": 9}, sizes={"cell": 2.25}, unit="um2", objects={"cell": 1},
        counted_by=(1, 4), identity=IDENTITY,
    ),
]  # fmt: skip


def kinds_of_records(kind: type[Record] = Record) -> set[type[Record]]:
    """Return all records that are written; the heading of a line is part of it."""
    own = {one for one in kind.__subclasses__() if one.__module__.startswith("napari_exactile")}
    return own.union(*map(kinds_of_records, own)) - {records._Heading}


def test_every_record_has_an_example() -> None:
    """None is forgotten here."""
    assert {type(one) for one in EXAMPLES} == kinds_of_records()


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda one: type(one).__name__)
def test_every_record_comes_back_equal(tmp_path: Path, example: Record) -> None:
    """From a file of its own and from a line of a journal, to the last bit, and is written alike again."""
    write_json(tmp_path / "a.json", example.as_json())
    Journal(tmp_path / "journal").append(example.as_json())
    for content in (read_json(tmp_path / "a.json"), *records_in(tmp_path / "journal")):
        again = type(example).of(content)
        assert again == example
        assert json.dumps(again.as_json()) == json.dumps(example.as_json()) == json.dumps(content)


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda one: type(one).__name__)
def test_every_wrong_type_is_named(example: Record) -> None:
    """A field that cannot be what it should is named in one line, as is the first one that is missing."""
    # Where a run is from is looked at only by whoever wants to know.
    for name in example.as_json().keys() - ({"origin"} if example is RUN else set()):
        with pytest.raises(ValueError, match=f"^{name}.* is not ") as caught:
            type(example).of(example.as_json() | {name: 1j})
        assert "\n" not in str(caught.value)
        assert "$" not in str(caught.value)
    with pytest.raises(ValueError, match=r"^it is not a table of names$"):
        type(example).of([])


def test_what_is_missing_is_named() -> None:
    """The sentence says where, too."""
    content = REPORT.as_json()
    del content["tiling"]["zone"]
    with pytest.raises(ValueError, match=r"^tiling says nothing of zone$"):
        sections.ReportRecord.of(content)
    with pytest.raises(ValueError, match=r"^it says nothing of report$"):
        WrittenReport.of({})


@pytest.mark.parametrize("settings", [Settings(), SETTINGS.on("cpu"), Settings(ignore=0, tile=64)], ids=repr)
def test_settings_come_back(settings: Settings) -> None:
    """But for what a computer may be used for, settings that are kept are those that were chosen."""
    again = SettingsRecord.of(SettingsRecord.said_of(settings).as_json()).on(settings.device)
    assert again == settings


def test_settings_that_are_not_known_are_refused() -> None:
    """A later version's would make other labels."""
    with pytest.raises(ValueError, match="something of mirror, which is not known"):
        SettingsRecord.of(SETTINGS.as_json() | {"mirror": True})


def test_what_later_versions_say_beside_is_passed_over() -> None:
    """A record knows its own fields, and a line the plane and the seconds of what it does not know."""
    assert RunRecord.of(RUN.as_json() | {"more": 1}) == RUN
    assert Line.of({"plane": [1], "mirror": 3, "seconds": 2.5}) == Line((1,), None, 2.5)


def test_numbers_are_read_as_they_were_written() -> None:
    """A number without a point stays one: checksums are made of what is written."""
    content = {"steps": [{"step": "Clip", "low": 0, "high": 4095.0}]}
    assert json.dumps(StepsRecord.of(content).as_json()) == json.dumps(content)


# --- what earlier versions wrote


OLD = [pytest.param(folder, name, id=f"{folder.name}-{name}") for folder in STORES.iterdir() for name in KEPT]


@pytest.mark.parametrize(("folder", "name"), OLD)
def test_old_stores_would_be_written_alike(folder: Path, name: str) -> None:
    """What is said of image, model, tiles and passes is written again as it lies there, in its order."""
    store = folder / f"{name}.ome.zarr" / "exactile"
    about, lines = read_json(store / "run.json"), records_in(store / "journal")
    known = RunRecord.in_store(store.parent, about)
    assert json.dumps(known.identity.as_json()) == json.dumps(about["identity"])
    assert json.dumps(Origin.of(known.origin).as_json()) == json.dumps(about["origin"])
    says = [line for line in lines if "about" not in line]
    assert [without_unsaid(Line.of(line).as_json()) for line in says] == says
    if "padding" in about["identity"]:
        again = known.as_json() | StoreFacts.in_store(store.parent, about).as_json()
        assert f"{json.dumps(again, indent=2)}\n" == (store / "run.json").read_text()
    if (report := earlier_report(store.parent)) and "padding" in report["tiling"]:
        assert json.dumps(sections.ReportRecord.known(report).as_json()) == json.dumps(report)


def without_unsaid(line: dict[str, Any]) -> dict[str, Any]:
    """Lines of earlier versions do not say what made a tile."""
    return {name: value for name, value in line.items() if (name, value) != ("by", None)}


def test_old_settings_and_identities_mean_what_they_did() -> None:
    """Before the image's own size was taken, all images were padded, and nobody said so."""
    about = read_json(STORES / "format-3" / "finished.ome.zarr" / "exactile" / "run.json")
    assert SettingsRecord.of(about["settings"]).on("cpu") == Settings(
        tile=212, method="trimmed", normalization="none", device="cpu", padding="always"
    )
    assert Identity.of(about["identity"]).padding is UNSET


# --- stores with something wrong


@pytest.fixture
def store(tmp_path: Path) -> Path:
    """Finished labels of this version."""
    path = tmp_path / "a.ome.zarr"
    ex.segment(pixels((131, 151), 0), Pooled().eval(), output=path, tile=90)
    return path


def verified(path: Path) -> ex.Verification:
    return ex.verify(path, pixels((131, 151), 0), Pooled().eval(), seed=0, windows=1)


def say(path: Path, change: Callable[[dict[str, Any]], None]) -> None:
    """Let a store say something else of itself, in both places where it says it."""
    lines = records_in(path / "exactile" / "journal")
    (about,) = (line["about"] for line in lines if "about" in line)
    change(about)
    write_lines(path / "exactile" / "journal", lines)
    write_json(path / "exactile" / "run.json", about)


WRONG = [
    ("identity", "tile", "large", "identity.tile is not "),
    ("identity", "radius", [4, "x"], "identity.radius[1] is not a whole number"),
    ("identity", "normalization", [{}], "identity.normalization[0] says nothing of step"),
    ("settings", "method", "other", "its settings cannot be used: method is not one of what is known"),
    ("settings", "normalization", [{"step": "Guess"}], "cannot be used: normalization[0].step is not "),
    ("settings", "region", [[5, 2]], "an interval cannot stop (2) before it starts (5)"),
    ("settings", "mirror", True, "something of mirror, which is not known"),
    ("settings", "ignore", 10**400, "its settings cannot be used: "),
    ("origin", "image", {"axes": 5}, "where image and model came from: image.axes is not a text or null"),
    ("origin", "model", None, "where image and model came from: model is not a table of names"),
    ("images", "labels", {"spatial": "x", "channel": None}, "images.spatial is not a whole number"),
    ("files", "zarr.json", 7, "files is not a table of names"),
]  # fmt: skip


@pytest.mark.parametrize(("section", "name", "value", "words"), WRONG)
def test_a_wrong_field_of_a_store_is_said(
    store: Path, section: str, name: str, value: Any, words: str
) -> None:
    """One sentence names the store, the file and the field, and what to do."""
    say(store, lambda about: about[section].update({name: value}))
    with pytest.raises(ValueError, match=r"a\.ome\.zarr is damaged in exactile/run\.json \(") as caught:
        verified(store)
    assert words in str(caught.value)
    assert str(caught.value).endswith("choose another name for the labels, or begin anew and overwrite it")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(("name", "value"), [("zone", ["x"]), ("kept", None), ("tiles", "nine")])
def test_a_wrong_plan_is_said(store: Path, name: str, value: Any) -> None:
    """It is the same for what the store says of its zones."""
    say(store, lambda about: about.update({name: value}))
    with pytest.raises(ValueError, match=rf"is damaged in exactile/run\.json \({name}.* is not "):
        verified(store)


def test_what_a_later_version_adds_stays(store: Path) -> None:
    """A store with more than is known here verifies, goes on, and keeps it."""
    say(store, lambda about: about.update({"more": {"of": ["this"]}}))
    Journal(store / "exactile" / "journal").append({"plane": [], "mirror": 1, "seconds": 9.0})
    (store / "exactile" / "run.json").unlink()
    ex.segment(pixels((131, 151), 0), Pooled().eval(), output=store, tile=90)
    assert read_json(store / "exactile" / "run.json")["more"] == {"of": ["this"]}
    assert any("mirror" in line for line in records_in(store / "exactile" / "journal"))
    assert verified(store).agrees


def test_a_damaged_origin_matters_to_nobody_who_has_the_image(tmp_path: Path) -> None:
    """A store of an earlier version is continued, and then says where image and model are from."""
    old = STORES / "format-3" / "killed-between-zones.ome.zarr"
    path = Path(shutil.copytree(old, tmp_path / "a.ome.zarr"))
    about = read_json(path / "exactile" / "run.json")
    write_json(path / "exactile" / "run.json", about | {"origin": {"image": 5}, "settings": {}})
    KEPT["killed-between-zones"].run(path, lambda event: None)
    assert read_json(path / "exactile" / "run.json")["origin"] == about["origin"]


# --- versions


def test_versions_stand_in_one_place() -> None:
    """Nobody else says a number of a format, and every record that has one takes it from there."""
    others = [path for path in SOURCE.rglob("*.py") if path.name != "version.py"]
    for path in others:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Assign) and isinstance(node.value, ast.Constant):
                names = [name.id for name in node.targets if isinstance(name, ast.Name)]
                assert not any(name.endswith("FORMAT") for name in names), path
    formats = {type(one): one.as_json()["format"] for one in EXAMPLES if "format" in one.as_json()}
    assert formats == {
        RunRecord: version.STORE_FORMAT,
        sections.ReportRecord: version.REPORT_FORMAT,
        Said: version.TASK_FORMAT,
    }


def test_other_versions_are_refused(store: Path) -> None:
    """A store and a task say so; a report counts as none."""
    report = read_json(store / "exactile" / "report.json")
    write_json(store / "exactile" / "report.json", report | {"format": version.REPORT_FORMAT + 1})
    assert earlier_report(store) == {}
    say(store, lambda about: about.update({"format": version.STORE_FORMAT + 1}))
    with pytest.raises(ValueError, match="was written by another version of napari-exactile"):
        verified(store)
    with pytest.raises(ValueError, match="the task was said by another version"):
        made_again(TASK.as_json() | {"format": version.TASK_FORMAT + 1})
