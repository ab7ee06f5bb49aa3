"""Load a model: a card together with the network that it describes."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from importlib.resources import as_file, files
from pathlib import Path
from typing import Any

from safetensors import torch as safetensors
from torch import nn
from torch.export import ExportedProgram

from napari_exactile.models.bioimageio.description import load_package
from napari_exactile.models.bioimageio.package import is_id, is_package
from napari_exactile.models.card import BUNDLED, ModelCard
from napari_exactile.models.facts import check_facts
from napari_exactile.models.files.archive import ModelFileError
from napari_exactile.models.files.formats import FACTORY, is_path, made_by, network_in
from napari_exactile.models.files.unused import notes_of_file
from napari_exactile.models.takes import images_taken
from napari_exactile.models.unet import UNet
from napari_exactile.torch_state import exact_arithmetic
from napari_exactile.wrappers import network_inside


@dataclass(frozen=True, eq=False, slots=True)
class Model:
    """A network in evaluation mode and its card. The program never changes the network.

    `facts` are what a person gave when it was loaded.

    >>> import napari_exactile as ex
    >>> model = ex.load_model("colonies-demo")
    >>> model.name, model.card.channels, model.module.training
    ('colonies-demo', 1, False)
    """

    card: ModelCard
    module: nn.Module
    facts: Mapping[str, Any] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """Return the model's short name."""
        return self.card.name


@exact_arithmetic()
def load_model(
    what: str | Path | nn.Module | ExportedProgram | Model, *, trust_code: bool = False, **facts: Any
) -> Model:
    """Return the model called `what`, from a file, or wrap a network of your own.

    `what` is a bundled name ("colonies-demo"), the path of a file (see `load_file`), an nn.Module in
    evaluation mode, TorchScript among them, an exported program, or "package.module:factory", a function
    that makes a module: importing that runs code. `facts` are fields of ModelCard (classes, normalization,
    ...).

    A package of bioimage.io is a folder, its description, a zip file or an id ("affable-shark"); code that
    it brings is imported with `trust_code` only, otherwise NeedsConsentError names it. Raises ValueError for
    an unknown name, naming the known ones, and for what is no network.

    >>> from torch import nn
    >>> import napari_exactile as ex
    >>> model = ex.load_model(nn.Conv2d(3, 2, 5).eval(), name="edges", classes=("background", "edge"))
    >>> model.name, model.card.channels, model.card.classes
    ('edges', 3, ('background', 'edge'))
    """
    check_facts({"trust_code": trust_code})  # what is no choice must not let code run
    if isinstance(what, Model):
        return what
    return replace(_loaded(what, trust_code, facts), facts=facts)


def _loaded(what: Any, trust_code: bool, facts: dict[str, Any]) -> Model:
    if isinstance(what, nn.Module | ExportedProgram):
        return _own(what, facts)
    if isinstance(what, str | Path) and what not in BUNDLED and is_package(Path(what)):
        return Model(*load_package(what, trust_code=trust_code, **facts))
    if isinstance(what, str) and is_id(what) and what not in BUNDLED and not Path(what).exists():
        return _by_id(what, {"trust_code": trust_code, **facts})
    if isinstance(what, str) and (what in BUNDLED or not is_path(what)):
        return _called(what, facts)
    if isinstance(what, str | Path):
        return load_file(what, **facts)
    kind = type(what).__name__
    raise ValueError(f"a model is a file, the name of a bundled one or a torch.nn.Module, not a {kind}")


@exact_arithmetic()
def load_file(path: str | Path, architecture: str | None = None, **facts: Any) -> Model:
    """Return the model in a file of TorchScript, torch.export, or weights; nothing in the file is run here.

    Weights alone (a state dict, safetensors) are loaded into the built-in `architecture`, "unet" or
    "fc-densenet", with the parameters of its class; what is not given is found out from their shapes. Other
    `facts` are fields of ModelCard; the name is that of the file. Raises ModelFileError, a ValueError, with
    one sentence for what is no model, is damaged, or could do more than compute. What is in the file or
    beside it and is not used stands in the card's `notes`. Which images TorchScript takes is tried in another
    process.
    """
    path = Path(path)
    card, parameters = _told_apart(facts)
    network = network_in(path, architecture, **parameters)
    defaults: dict[str, Any] = {"name": path.stem, "title": path.stem, "source": str(path)}
    return _own(network, defaults | {"notes": notes_of_file(path)} | card)


def _told_apart(facts: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the facts that are fields of a card and those that are parameters of an architecture."""
    fields = {field.name for field in dataclasses.fields(ModelCard)}
    # Names of classes are a fact; their number is a parameter.
    fields -= {"classes"} if isinstance(facts.get("classes"), int) else set()
    card = {name: value for name, value in facts.items() if name in fields}
    return card, {name: value for name, value in facts.items() if name not in fields}


def _own(network: nn.Module | ExportedProgram, facts: dict[str, Any]) -> Model:
    if isinstance(network, ExportedProgram):
        return _wrap(network.module(), {"name": "exported program", **facts})
    return _wrap(network, facts)


def _called(what: str, facts: dict[str, Any]) -> Model:
    if what in BUNDLED:
        model = _bundled(BUNDLED[what])
        return replace(model, card=replace(model.card, **{"source": what} | facts)) if facts else model
    if FACTORY.fullmatch(what):
        name = what.rpartition(":")[2]
        return _wrap(made_by(what), {"name": name, "title": name, "source": what, **facts})
    raise ValueError(_unknown(what))


def _by_id(name: str, facts: dict[str, Any]) -> Model:
    """Load what has a name at bioimage.io; a bundled name with a wrong letter looks like one, too."""
    try:
        return Model(*load_package(name, **facts))
    except ModelFileError as error:
        raise ModelFileError(f"{_unknown(name)}; {error}") from error


def _unknown(name: str) -> str:
    return (
        f"there is no model called {name!r}; the bundled ones are {', '.join(BUNDLED)}: name one, or a file"
    )


def _bundled(card: ModelCard) -> Model:
    module = UNet(**card.architecture, in_channels=card.channels, classes=len(card.classes))
    with as_file(files(__package__) / card.weights) as path:
        state = {name: tensor.float() for name, tensor in safetensors.load_file(path).items()}
    # Counters of training steps are not stored: evaluation does not use them.
    missing, unexpected = module.load_state_dict(state, strict=False)
    if unexpected or any(not name.endswith("num_batches_tracked") for name in missing):
        raise ValueError(f"the weights of {card.name} do not fit its architecture: {missing} {unexpected}")
    return Model(card, module.eval().requires_grad_(False))


def _wrap(module: nn.Module, facts: dict[str, Any]) -> Model:
    module = network_inside(module)
    if any(tensor.is_meta for tensor in (*module.parameters(), *module.buffers())):
        raise ValueError(
            "the model has no weights yet: its tensors lie on torch's meta device; load them first"
        )
    # TorchScript remembers what the class was called.
    name = facts.get("name") or getattr(module, "original_name", type(module).__name__)
    defaults: dict[str, Any] = {"name": name, "title": name}
    if not facts.keys() >= {"channels", "axes"}:
        defaults["channels"], defaults["axes"] = images_taken(module)
    return Model(ModelCard(**(defaults | facts)), module)
