"""Nothing of TorchScript in a file runs while it is loaded, and its objects are what their fields say."""

import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

import napari_exactile as ex
from attacks import UNWARNED, assert_executes, assert_refused, rewritten
from script_nets import Layer, Network, writes

pytestmark = UNWARNED


# --- what runs while it is loaded ---------------------------------------------------------------------------


class SavesWhileLoaded(Network):
    @torch.jit.export
    def __getstate__(self) -> tuple[str, bool]:
        return self.path, self.training

    @torch.jit.export
    def __setstate__(self, state: tuple[str, bool]) -> None:
        self.path, self.training = state
        torch.save(torch.zeros(1), self.path)

    def forward(self, x: Tensor) -> Tensor:
        return x


@torch.jit.script
class Restored:
    def __init__(self, path: str) -> None:
        self.path = path

    def __getstate__(self) -> str:
        return self.path

    def __setstate__(self, path: str) -> None:
        self.path = path
        torch.save("text", path)


class HoldsAnObject(Network):
    def __init__(self, path: str) -> None:
        super().__init__(path)
        self.held = Restored(path)

    def forward(self, x: Tensor) -> Tensor:
        return self.layer(x) if len(self.held.path) else x


@pytest.mark.parametrize("kind", [SavesWhileLoaded, HoldsAnObject])
def test_nothing_runs_while_it_is_loaded(
    tmp_path: Path, marker: Path, kind: Callable[[str], nn.Module]
) -> None:
    """What restores an object would run before anybody could look at it: such files are refused."""
    path = tmp_path / "net.pt"
    torch.jit.script(nn.Sequential(kind(str(marker)))).save(str(path))
    marker.unlink(missing_ok=True)
    assert_refused(path, marker, r"would run code while it is loaded \(__setstate__\)")
    assert_executes(lambda: torch.jit.load(str(path)), marker)


# The same in other letters: what torch reads after all is the last.
OTHER_WRITINGS: list[tuple[bytes, bytes]] = [
    (b"def __setstate__(", b"def  \\\n  __setstate__ ("),
    (b"def __setstate__(", b"def # (\n  __setstate__("),
    (b"def __setstate__(", b"def\t__setstate__("),
    (b"class Restored", b'"""\n"""\nclass Restored'),
]


def change_source(path: Path, new: Path, old_text: bytes, new_text: bytes) -> Path:
    """Replace text in all source of a TorchScript file."""
    with zipfile.ZipFile(path) as file:
        names = [name for name in file.namelist() if name.endswith(".py")]
        texts = {name.partition("/")[2]: file.read(name).replace(old_text, new_text) for name in names}
    assert any(new_text in text for text in texts.values())
    return rewritten(path, new, dict(texts))


@pytest.mark.parametrize(("text", "other"), OTHER_WRITINGS)
def test_it_is_found_however_it_is_written(tmp_path: Path, marker: Path, text: bytes, other: bytes) -> None:
    """Spaces, comments and joined lines hide nothing: what torch gets is written anew."""
    torch.jit.script(HoldsAnObject(str(marker))).save(str(tmp_path / "good.pt"))
    marker.unlink(missing_ok=True)
    assert_refused(change_source(tmp_path / "good.pt", tmp_path / "net.pt", text, other), marker)


class Defaults(Network):
    def forward(self, x: Tensor, number: int = 3) -> Tensor:
        return self.layer(x) * number * writes(self.path)


def test_defaults_are_not_computed(tmp_path: Path, marker: Path) -> None:
    """The default of an argument may be any expression, and torch computes it while it loads the file."""
    torch.jit.script(Defaults(str(marker))).save(str(tmp_path / "good.pt"))
    call = b'number: int=__torch__.script_nets.writes("%s")' % str(marker).encode()
    path = change_source(tmp_path / "good.pt", tmp_path / "net.pt", b"number: int=3", call)
    assert_refused(path, marker, "would run code while it is loaded")
    assert_executes(lambda: torch.jit.load(str(path)), marker)


def test_objects_of_other_libraries_are_refused(tmp_path: Path, marker: Path) -> None:
    """torch.classes are code of C++ that restores itself from what the file says."""
    engine = next(name for name in torch.backends.quantized.supported_engines if name != "none")
    torch.backends.quantized.engine = engine
    network = torch.ao.quantization.quantize_dynamic(nn.Sequential(nn.Linear(4, 4)).eval())
    torch.jit.script(network).save(str(tmp_path / "net.pt"))
    assert_refused(tmp_path / "net.pt", marker, "torch.classes")


# --- objects ----------------------------------------------------------------------------------------------


@torch.jit.script
class Small:
    def __init__(self) -> None:
        self.a = 1


@torch.jit.script
class Large:
    def __init__(self) -> None:
        self.a = 1
        self.b = [2]


class Scales(Network):
    def forward(self, x: Tensor) -> Tensor:
        return x * 2


class HoldsObjects(Network):
    part: Layer

    def __init__(self) -> None:
        super().__init__("")
        self.small, self.larges = Small(), [Large(), Large()]
        self.part = Scales("")

    def forward(self, x: Tensor) -> Tensor:
        return self.part.forward(self.layer(x)) * (self.small.a + len(self.larges[0].b))


def test_objects_are_what_their_fields_say(tmp_path: Path, marker: Path) -> None:
    """torch would read the second field of an object that has one, and lists of objects are looked into."""
    torch.jit.script(HoldsObjects()).save(str(tmp_path / "good.pt"))
    assert ex.analyse(ex.load_model(tmp_path / "good.pt"), (16, 16)).refusals == ()
    with zipfile.ZipFile(tmp_path / "good.pt") as file:
        data = file.read("good/data.pkl")
    for old, new in ((b" Large", b" Small"), (b"\nLarge\n", b"\nSmall\n"), (b"\nSmall\n", b"\nLarge\n")):
        if old in data:
            path = rewritten(tmp_path / "good.pt", tmp_path / "net.pt", {"data.pkl": data.replace(old, new)})
            assert_refused(
                path, marker, r"is damaged \((larges|small) of .* holds a __torch__\.\S+(Small|Large), not"
            )


def test_values_are_not_taken_for_objects(tmp_path: Path, marker: Path) -> None:
    """A cast that torch does not check could make an object of anything."""
    torch.jit.script(HoldsObjects()).save(str(tmp_path / "good.pt"))
    call = b"unchecked_cast(__torch__.test_script_loading.Large, self.small)"
    path = change_source(tmp_path / "good.pt", tmp_path / "net.pt", b"self.small", call)
    assert_refused(path, marker, "without a look")
