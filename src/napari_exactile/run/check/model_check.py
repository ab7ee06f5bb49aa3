"""Run the test that comes with a bioimage.io package: its input, its output, and how far ours is from it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from napari_exactile.geometry.words import part_of
from napari_exactile.images.making import Making
from napari_exactile.images.normalize.parse import steps_of
from napari_exactile.images.normalize.statistics import measure
from napari_exactile.images.normalize.steps import Normalization
from napari_exactile.images.source import ArraySource
from napari_exactile.models.bioimageio.description import meaning_of
from napari_exactile.models.bioimageio.package import Package, is_id, is_package, opened
from napari_exactile.models.bioimageio.steps import Meaning
from napari_exactile.models.files.archive import ModelFileError
from napari_exactile.models.load import Model
from napari_exactile.network.traced.outputs import pick
from napari_exactile.network.traced.trace import dtype_of
from napari_exactile.torch_state import exact_arithmetic

TOLERANCE = 1e-4
# A value beside the threshold falls on either side of it; bioimage.io tolerates as many by default.
FLIPPED = 1e-4


@dataclass(frozen=True, slots=True)
class OutputCheck:
    """How one output compares with the test output: values beyond |ours - theirs| <= 1e-4 (1 + |theirs|)."""

    output: str
    difference: float
    mismatched: int
    values: int
    binarized: bool = False
    problem: str = ""

    @property
    def agrees(self) -> bool:
        """Whether all values are within the tolerance; of thresholded ones, all but 100 of a million."""
        return not self.problem and self.mismatched <= (FLIPPED * self.values if self.binarized else 0)

    def describe(self) -> str:
        """Return it in a sentence."""
        if self.problem:
            return f"{self.output}: cannot be compared, {self.problem}"
        verdict = "agrees" if self.agrees else "does not agree"
        beyond = f", {part_of(self.mismatched, self.values, 'value')} beyond 1e-4" if self.mismatched else ""
        return f"{self.output}: {verdict}, largest difference {self.difference:.1e}{beyond}"


@dataclass(frozen=True, slots=True)
class ModelCheck:
    """What the test of a package has shown, output by output.

    >>> check = ModelCheck((OutputCheck("masks", 2e-6, 0, 65536),))
    >>> check.agrees, check.describe()
    (True, 'masks: agrees, largest difference 2.0e-06')
    """

    outputs: tuple[OutputCheck, ...]

    @property
    def agrees(self) -> bool:
        """Whether every output agrees."""
        return all(one.agrees for one in self.outputs)

    def describe(self) -> str:
        """Return it in words, a line for each output."""
        return "\n".join(one.describe() for one in self.outputs)


def has_test(model: Model) -> bool:
    """Return whether a model came from a package, which has a test of its own."""
    source = model.card.source
    return bool(source) and (is_package(Path(source)) or is_id(source))


def check_model(model: Model) -> ModelCheck:
    """Run a bioimage.io model on the test input of its package and compare with the test outputs.

    Normalisation and postprocessing are ours, in one pass on the CPU. Raises ModelFileError for a model that
    came from no package, and for one whose test files are missing, damaged or do not fit.

    >>> import napari_exactile as ex
    >>> try:
    ...     ex.check_model(ex.load_model("colonies-demo"))
    ... except ex.ModelFileError as error:
    ...     print(error)
    colonies-demo comes from no bioimage.io package, so it has no test of its own
    """
    if not isinstance(model, Model):
        raise ValueError(f"a test is one of what load_model() returns, not of {model!r}: call it first")
    source = model.card.source
    if not has_test(model):
        raise ModelFileError(f"{model.name} comes from no bioimage.io package, so it has no test of its own")
    with opened(source) as package:
        image = _array(package, package.description.inputs[0])
        results = _results(model, image)
        outputs = package.description.outputs
        return ModelCheck(tuple(_checked(package, i, results, image.shape) for i in range(len(outputs))))


def _results(model: Model, image: NDArray[Any]) -> list[Any]:
    """Return what the network returns for each image of the batch."""
    if image.ndim < 3 or image.shape[1] != model.card.channels:
        raise ModelFileError(f"the test input of shape {image.shape} does not fit a model of {model.name}")
    with exact_arithmetic():
        return [model.module(_normalised(model, one)) for one in image]


def _normalised(model: Model, image: NDArray[Any]) -> torch.Tensor:
    source, steps = ArraySource(image, channel_axis=0), steps_of(model.card.normalization)
    known = Making(measure(source, steps)).finished()
    dtype = dtype_of(model.module)
    pixels = known.apply(image, np.float64 if dtype == torch.float64 else np.float32)
    return torch.from_numpy(pixels)[None].to(dtype)


def _checked(package: Package, position: int, results: list[Any], shape: tuple[int, ...]) -> OutputCheck:
    descr = package.description.outputs[position]
    name = str(descr.id)
    several = len(package.description.outputs) > 1
    image = torch.empty(shape, device="meta")
    try:
        meaning = meaning_of(package, position)
        raw = [pick(result, position if several else None, image) for result in results]
    except ValueError as error:
        return OutputCheck(name, np.inf, 0, 0, problem=str(error))
    return _compared(name, _finished(torch.cat(raw), meaning), _array(package, descr), meaning.binarized)


def _finished(scores: torch.Tensor, meaning: Meaning) -> NDArray[Any]:
    """Return the scores after the postprocessing of the package."""
    if meaning.kind != "values" and not meaning.probabilities:
        scores = torch.sigmoid(scores) if meaning.kind == "threshold" else torch.softmax(scores, dim=1)
    result: NDArray[Any] = scores.float().numpy()
    if meaning.binarized:
        return result > meaning.threshold
    return np.stack([Normalization(meaning.steps).apply(one) for one in result])


def _compared(name: str, ours: NDArray[Any], theirs: NDArray[Any], binarized: bool) -> OutputCheck:
    if ours.shape != theirs.shape:
        problem = f"it has the shape {ours.shape} and the test output {theirs.shape}"
        return OutputCheck(name, np.inf, 0, 0, problem=problem)
    expected = theirs.astype(np.float64)
    difference = np.abs(ours - expected)
    close = difference <= TOLERANCE + TOLERANCE * np.abs(expected)  # false for NaN
    return OutputCheck(name, float(difference.max()), int((~close).sum()), close.size, binarized)


def _array(package: Package, descr: Any) -> NDArray[Any]:
    """Read the test tensor of an input or output; mapped, so that it takes no more bytes than it has."""
    if descr.test_tensor is None:
        raise ModelFileError(f"{package.source} has no test tensor for {descr.id}")
    path: Path = package.path(descr.test_tensor)
    try:
        array: NDArray[Any] = np.load(path, mmap_mode="r", allow_pickle=False)
    except (ValueError, OSError, EOFError, SyntaxError) as error:
        raise ModelFileError(f"the test tensor {path.name} cannot be read: {error}") from error
    if array.dtype.kind not in "buif" or array.size == 0:
        raise ModelFileError(f"the test tensor {path.name} holds no numbers")
    return np.array(array)
