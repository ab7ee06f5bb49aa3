"""What a person says of a network's numbers holds, and what is odd about the results is noted."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
import torch
from torch import Tensor, nn
from torch.nn import functional as F

import napari_exactile as ex
from command_line import call
from endings import image, made, output
from napari_exactile.models.random_weights import randomise


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("logits", lambda x: x.sigmoid() >= 0.5), ("probabilities", lambda x: x >= 0.5), ("values", None),
    ],
)  # fmt: skip
def test_a_person_can_say_what_the_numbers_are(
    kind: Any, expected: Callable[[Tensor], Tensor] | None
) -> None:
    """What is chosen holds, whatever the last layer is."""
    net = made(torch.sigmoid)
    result = ex.segment(image(), net, output_kind=kind, tile=40)
    if expected is None:
        assert result.labels is None
        np.testing.assert_allclose(result.probabilities, output(net), atol=2e-6)
    else:
        np.testing.assert_array_equal(result.labels, expected(output(net))[0])


def test_several_channels_can_be_decided_each_by_itself() -> None:
    """Chosen for a network of several channels, each says yes or no."""
    net = made(torch.sigmoid, 3)
    labels = ex.segment(image(), net, output_kind="probabilities", tile=40).labels
    np.testing.assert_array_equal(labels, output(net) >= 0.5)


def test_the_best_of_one_channel_is_refused() -> None:
    """One channel cannot be classes: the sentence says so."""
    with pytest.raises(ValueError, match="one output channel has no classes"):
        ex.segment(image(), made(torch.sigmoid), output_kind="classes")
    with pytest.raises(ValueError, match="the kind of output is one of auto, classes, logits"):
        ex.segment(image(), made(torch.sigmoid), output_kind="yes")  # type: ignore[arg-type]


def test_the_command_line_takes_the_choice(tmp_path: Path) -> None:
    """`--output-kind` is that of scripts, and warnings stand among the results."""
    net, path = made(nn.Sigmoid()), tmp_path / "net.pt"
    torch.jit.save(torch.jit.trace(net, torch.rand(1, 1, 32, 40)), path)
    tifffile.imwrite(tmp_path / "image.tif", image())
    done = call("segment", tmp_path / "image.tif", "--model", path, "--output-kind", "logits")
    assert done.exit_code == 0, done.stderr
    assert "all pixels have the same label, 1 (yes)" in " ".join(done.stdout.split())


def test_odd_results_are_said() -> None:
    """Scores that look like probabilities but were read as logits, and a single label, are noted."""
    warnings = ex.segment(image(), made(torch.sigmoid), output_kind="logits", tile=40).report.warnings
    assert len(warnings) == 2
    assert "all scores lie between 0 and 1" in warnings[0]
    assert warnings[1] == "all pixels have the same label, 1 (yes)"
    # Nothing in this network's last layer says that its numbers lie between 0 and 1.
    hidden = made(lambda x: x / (1 + x.abs()) * 0.4 + 0.5)
    whole = ex.segment_whole(image(), hidden).report.warnings
    assert "all scores lie between 0 and 1" in whole[0]
    assert ex.segment(image(), hidden, tile=40).report.warnings == whole


def test_part_of_an_image_is_not_called_all_of_it() -> None:
    """A run that was stopped, or a stack of which one plane has several labels, has no such note."""
    net, done = made(torch.sigmoid), []
    stopped = ex.segment(
        image(), net, output_kind="logits", tile=40,
        on_event=done.append, cancel=lambda: len(done) > 12,
    )  # fmt: skip
    assert stopped.report.tiles_done < stopped.report.tiles
    assert not stopped.report.warnings
    flat = made(lambda x: F.relu(x) - 1e-3)
    stack = np.stack([image(), np.zeros_like(image())])
    assert not ex.segment(stack, flat, axes="tyx", tile=40).report.warnings


def test_probabilities_of_classes_that_nothing_tells_are_noted() -> None:
    """Scores that all lie between 0 and 1 and add up to 1 get a note where they are read as logits."""
    hidden = made(lambda x: (s := F.softplus(x) ** -1) * s.sum(1, keepdim=True).reciprocal(), 3)
    assert ex.analyse(hidden, (70, 83)).gives.span.scale == "logits"
    (note,) = ex.segment(image(), hidden, tile=40).report.warnings
    assert "add up to 1" in note
    assert ex.segment_whole(image(), hidden).report.warnings == (note,)
    told = ex.segment(image(), ex.load_model(hidden, kind="classes", probabilities=True), tile=40)
    assert not told.report.warnings
    half = made(lambda x: x / (1 + x.abs()) * 0.2 + 0.5, 3)
    assert not ex.segment(image(), half, tile=40).report.warnings


@pytest.mark.parametrize(
    ("dtype", "near"), [(torch.float16, 4e-3), (torch.bfloat16, 3e-2), (torch.float32, 1e-5)]
)
def test_near_ties_are_those_of_the_numbers_computed_in(dtype: torch.dtype, near: float) -> None:
    """Coarser numbers tie earlier, also where a network computes in them only in between."""
    net = made(lambda x: x.to(dtype).float(), 3)
    result = ex.segment(image(), net, probabilities=True, tile=40)
    best = np.sort(result.probabilities, axis=0)
    assert result.report.near_ties == int((best[-1] - best[-2] < np.float32(near)).sum())
    assert dtype == torch.float32 or result.report.near_ties > 0


def test_the_preview_compares_the_same_labels() -> None:
    """What tiles with too little context get wrong is counted among the labels that a run gives."""
    net = nn.Sequential(*(nn.Conv2d(1, 1, 3, padding=1) for _ in range(4)), nn.Sigmoid()).eval()
    randomise(net, seed=1)
    error = ex.tiling_error(image(), net, tile=32, radius=1)
    assert error.misclassified > 0
    assert ex.tiling_error(image(), net, tile=32, radius=4).misclassified == 0


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
@pytest.mark.parametrize("norm", [lambda: nn.InstanceNorm2d(4, affine=True), lambda: nn.GroupNorm(2, 4)])
def test_coarse_networks_with_norms_run(dtype: torch.dtype, norm: Callable[[], nn.Module]) -> None:
    """Statistics in float32 meet weights of less precision; labels that differ are near-ties."""
    layers = nn.Conv2d(1, 4, 3, padding=1), norm(), nn.ReLU(), nn.Conv2d(4, 3, 3, padding=1)
    net = nn.Sequential(*layers).eval()
    randomise(net, seed=1)
    net = net.to(dtype)
    result = ex.segment(image(), net, tile=40)
    differing = (result.labels != ex.segment_whole(image(), net).labels).sum()
    assert result.report.exact
    assert differing <= result.report.near_ties
