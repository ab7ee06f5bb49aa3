"""Operators that cannot be exact in tiles, each in a network; and networks that are tried or measured."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

import napari_exactile as ex
from sentences.of_networks import HOW, applied, convolution, training
from sentences.table import Row, Rows

ROWS = Rows("operators")


def functional() -> Any:
    from torch.nn import functional

    return functional


def ones(*shape: int) -> Any:
    import torch

    return torch.ones(*shape)


def ramp(length: int) -> Any:
    import torch

    return torch.linspace(0, 1, length)


def pixels(x: Any) -> Any:
    return x.permute(0, 2, 3, 1).reshape(-1, 1)


def joined(parts: list[Any], axis: int) -> Any:
    import torch

    return torch.cat(parts, axis)


def assigned(x: Any, assign: Callable[[Any], Any]) -> Any:
    y = x.clone()
    assign(y)
    return y


def put(place: Any, value: Any = 1) -> Callable[[Any], Any]:
    return lambda x: assigned(x, lambda y: y.__setitem__(place, value))


def of_torch(name: str) -> Any:
    import torch

    return getattr(torch, name)


MIXES = "it mixes an axis of the image with channels or with another axis"
MORE = "..."  # how it may be run all the same

OPERATORS: dict[str, tuple[Callable[[Any], Any], str]] = {
    "resolutions": (
        lambda x: functional().max_pool2d(x, 2)[..., :16, :16] + x[..., :16, :16],
        "add: it combines tensors of different resolution",
    ),
    "batch_norm": (
        lambda x: functional().layer_norm(x, x.shape[3:]),
        "native_layer_norm: it normalises with statistics of the whole image. Normalise over the channels "
        "alone",
    ),
    "stack": (
        lambda x: of_torch("stack")([x, ones(1, 1, 1, 1).expand(x.shape)], 2)[:, :, 0],
        "stack: it stacks the image with a constant. Join them with torch.cat",
    ),
    "picked": (
        lambda x: x[:, (x[0, 0] > 0).long()], "index: what it picks depends on pixel values",
    ),
    "picked_by_select": (
        lambda x: x.index_select(1, (x[0, 0] > 0).long()),
        "index_select: what it picks depends on pixel values",
    ),
    "picked_twice": (
        lambda x: x[:, [0], [1]][:, :, None], "index: it picks along several dimensions at once",
    ),
    "stretched": (
        lambda x: x.repeat(1, 1, 2, 1)[:, :, ::2], "repeat: it stretches one of its inputs over the image",
    ),
    "joined": (lambda x: joined([x, x], 2)[:, :, ::2], "cat: it joins tensors along a spatial axis"),
    "cropped_by_padding": (
        lambda x: functional().pad(x, (1, -1, 0, 0), mode="reflect"),
        "reflection_pad2d: it crops by a negative padding. Crop with a slice instead",
    ),
    "indices": (
        lambda x: functional().max_pool2d(x, 3, 1, 1, return_indices=True)[1].float(),
        "max_pool2d_with_indices: it uses the indices of a max pooling otherwise than to unpool",
    ),
    "shares": (
        lambda x: functional().adaptive_avg_pool2d(x, (x.shape[2] // 2, 3)),
        "_adaptive_avg_pool2d: its windows are shares of the image, and their number follows its size. Use a "
        "pooling with a fixed window",
    ),
    "product_over_pixels": (
        lambda x: (x @ ones(x.shape[-1], 1)).expand(x.shape), "mm: it sums over the pixels of the image",
    ),
    "ratio": (
        lambda x: functional().interpolate(x, (64, 64)),
        "upsample_nearest2d: it resizes ... px to 64, which is no simple ratio: zones would have no common "
        "grid. "
        "Crop and resize by the sizes of the image, not to fixed ones; where torch.jit.trace has written "
        "sizes "
        "down, export the network itself, with torch.export.Dim.AUTO",
    ),
    "assigned_nowhere": (
        put((slice(None), slice(None), slice(3, 3))), "...slice_scatter: it assigns to no place at all",
    ),
    "assigned_rows": (
        put((slice(None), slice(None), [0, 2])),
        "index_put: it assigns to single rows of the image. Assign to a slice of one row instead",
    ),
    "assigned_pixels": (
        put((slice(None), slice(None), [0, 2], [1, 3])),
        "index_put: it assigns to places that depend on pixel values, or to single pixels",
    ),
    "nothing": (lambda x: x[..., 3:3], "slice: it leaves nothing of the image"),
    "across_rows": (
        lambda x: x.flatten(2)[..., 1:].flatten(1), "slice: it picks from a list of pixels, across rows",
    ),
    "mixed": (
        lambda x: x.view(1, -1, 2, x.shape[3])[:, :, 0, None],
        f"view: {MIXES}. To turn channels into pixels or back, use nn.PixelShuffle or nn.PixelUnshuffle",
    ),
    "turned": (lambda x: x + x.transpose(2, 3), f"add: {MIXES}"),
    "no_rule": (
        lambda x: x.kthvalue(1, 1, keepdim=True)[0],
        "kthvalue: there is no rule for this operator yet, so nothing is known of how far it reaches",
    ),
    "second_result": (
        lambda x: of_torch("native_dropout")(x, 0.5, False)[1].float(),
        "native_dropout: it uses a second result of an operator, such as the indices of a max "
        "pooling",
    ),
    "other_axes": (
        lambda x: functional().avg_pool2d(x.permute(0, 2, 3, 1), 1),
        "avg_pool2d: its rule is for images along the last dimensions: this one lies along others",
    ),
    "weights": (
        lambda x: functional().conv2d(x, x[:, :, :3, :3]), "convolution: its weights depend on the image",
    ),
    "one_axis": (
        lambda x: functional().conv1d(x[:, 0], ones(1, x.shape[2], 1))[:, None],
        "convolution: it works along 1 axis, and this image has 2",
    ),
    "order": (
        lambda x: x.transpose(2, 3),
        "output: the axes of the image come out in another order. Let it give them as (batch, channels, "
        "space)",
    ),
    "axes": (
        lambda x: x[:, 0],
        "output: an image of ... px gives an output of shape 1 x ... Let it give one with the axes (batch, "
        "channels, space)",
    ),
    "independent": (
        lambda x: ones(1, 2, 8, 8),
        "output: the network's output does not depend on the image. Let it be computed from it",
    ),
    "complex": (
        lambda x: of_torch("complex")(x, x),
        "output: the network returns complex numbers. Take their .abs(), .real or .imag in it",
    ),
    "constant": (
        lambda x: x.mean((2, 3), keepdim=True).expand(x.shape),
        "expand: the output is the same at every pixel",
    ),
    "steered": (
        lambda x: x if x.mean() > 0 else -x,
        "_local_scalar_dense: what comes next depends on pixel values, through .item(), an if, or a mask as "
        "an "
        "index. Compute both cases and choose pixel by pixel, with torch.where",
    ),
    "columns": (
        lambda x: functional().fold(functional().unfold(x, 3, padding=1), x.shape[2:], 3, padding=1),
        "im2col: it takes windows of the image apart into columns, which has no rule. Use a convolution, or "
        "nn.PixelUnshuffle for windows side by side",
    ),
    "summed_up": (
        lambda x: x.cumsum(-1),
        "cumsum: it adds up along an axis: a pixel depends on all that come before it. Add up over a window",
    ),
    "spectrum": (
        lambda x: of_torch("fft").rfft2(x).abs(),
        "_fft_r2c: a Fourier transform: every pixel depends on every other. Filter with a convolution",
    ),
    "shuffled": (
        lambda x: functional().pixel_shuffle(x, 1), "pixel_shuffle: it shuffles two axes, and this image "
            "has 3",
    ),
    "column": (
        lambda x: functional().interpolate(x, (x.shape[2] // 2, 1), mode="bilinear", antialias=True),
        "_upsample_bilinear2d_aa: torch resizes rows wrongly where a single column is left. Use a wider "
        "image",
    ),
    "unpooled": (
        lambda x: functional().max_unpool2d(
            *functional().max_pool2d(x, 3, 1, 1, return_indices=True), 1, 1
        ),
        "max_unpool2d: it puts values to places that are not those of a pooling whose windows lie side by "
        "side. "
        "Pool with a stride of the kernel's size, without padding, and unpool to the size before",
    ),
    "several_values": (
        lambda x: assigned(
            joined([x, x], 1), lambda y: y.__setitem__((slice(None), [0, 1]), ramp(2)[:, None, None])
        ),
        "index_put: it assigns a constant that has several values",
    ),
    "scaled_sum": (
        lambda x: of_torch("addmm")(ones(2), pixels(x), ones(1, 2), alpha=2).T.reshape(1, 2, *x.shape[2:]),
        "addmm: it scales the terms of its sum, which has no rule",
    ),
    "varying_sum": (
        lambda x: of_torch("addmm")(
            ones(x[0, 0].numel(), 2), pixels(x), ones(1, 2)
        ).T.reshape(1, 2, *x.shape[2:]),
        "addmm: it adds a constant that varies over the image",
    ),
    "weights_of_rows": (
        lambda x: (x[0].permute(1, 2, 0) @ ramp(x.shape[2])[:, None, None].expand(-1, 1, 2).clone()).permute(
            2, 0, 1
        )[None],
        "bmm: it has other weights at every row of the image",
    ),
    "too_long": (
        lambda x: functional().interpolate(x, scale_factor=2),
        "upsample_nearest1d: beyond 8388608 px, torch computes inexact places in the resized image",
    ),
    "constant_of_all_pixels": (
        lambda x: x + ones(*x.shape[2:]).cumsum(0),
        "cumsum: it makes a constant as large as the image. Combine it with the image one axis at a time, "
        "or join "
        "it with the image by torch.cat",
    ),
    "quantised": (
        lambda x: of_torch("quantize_per_tensor")(x, 0.1, 0, of_torch("qint8")).dequantize(),
        "quantize_per_tensor: it computes with quantised numbers, whose rounding is not followed. Use the "
        "network "
        "as it was before it was quantised",
    ),
    "one_processor": (
        lambda x: x.to_mkldnn().to_dense(),
        "to_mkldnn: it is an operator of one kind of processor, and nothing is known of how far it reaches. "
        "Save "
        "the network without torch.jit.optimize_for_inference",
    ),
    "attention": (
        lambda x: (x.flatten(2) @ x.flatten(2).transpose(1, 2) @ x.flatten(2)).view(x.shape),
        "bmm: it multiplies the image with itself: attention between channels, each of which is the whole "
        "image. "
        "Only networks whose pixels look at a neighbourhood can be tiled",
    ),
    "rolled": (lambda x: x.roll(1, 2), "roll: ...the far edge becomes a neighbour..."),
}  # fmt: skip


SHAPES = {
    "picked": (64,),
    "too_long": (2**23 + 64,),
    "picked_by_select": (64,),
    "shuffled": (16, 32, 32),
    "column": (64, 6),
}


def _row(name: str, function: Callable[[Any], Any], words: str) -> Row:
    def provoke(folder: Path) -> Any:
        shape = SHAPES.get(name, (64, 48))
        return ex.plan_tiles(ex.analyse(applied(function), shape), 64)

    return Row("operators", name, HOW + words + ("" if words.startswith("output:") else MORE), provoke)


ROWS.extend(_row(name, function, words) for name, (function, words) in OPERATORS.items())

# --- tried and measured


def approximate(network: Any, **how: Any) -> Any:
    return ex.segment(np.zeros((64, 48), np.float32), network, method="approximate", radius=8, **how)


def measured(function: Callable[[Any], Any], shape: tuple[int, ...] = (32, 32), **how: Any) -> Any:
    return ex.measure_context(applied(lambda x, layer: function(layer(x)), convolution()), shape, **how)


WITHOUT = "measure the network without it"
SWALLOWED = "an operator swallows NaN, as x > 0, argmax and nan_to_num do"

ROWS.add(
    tried_in_training=(
        lambda: approximate(training()),
        "the model cannot be run in tiles: model: it is in training mode, where dropout and batch norm "
        "depend on "
        "chance and on the batch. Call .eval() on it first",
    ),
    tried_but_exact=(
        lambda: approximate(convolution().eval()),
        'this model can be exact, so it is not approximated: choose the method "trimmed", or "whole-tile" '
        "for "
        "a radius below what it needs",
    ),
    measured_in_training=(
        lambda: ex.measure_context(training(), (32, 32)),
        "the model is in training mode: call .eval() on it first",
    ),
    measured_by_another_factor=(
        lambda: ex.measure_context(convolution().eval(), (32, 32), factor=(1,)),
        "the factor (1,) and the shape (32, 32) must have one entry per axis: give as many",
    ),
    measured_where_nan_is_swallowed=(
        lambda: measured(lambda y: (y > 0).float()),
        f"no NaN arrives at the output from axis 0: {SWALLOWED}; {WITHOUT}",
    ),
    measured_where_some_is=(
        lambda: measured(lambda y: y + of_torch("nan_to_num")(functional().max_pool2d(y, 3, 1, 1))),
        "NaN spreads (1, 1) px before and after a zone along axis 0, but the analysis says (2, 2): "
        f"{SWALLOWED}, or the analysis asks for more than is needed; {WITHOUT}",
    ),
    measured_on_a_small_image=(
        lambda: measured(lambda y: y, (4, 4)),
        "4 px along axis 0 are too few: NaN reaches their end. Take 5 px",
    ),
    measured_with_nan=(
        lambda: measured(lambda y: (y - 9).sqrt()),
        "the network gives NaN for an image without NaN: check its weights",
    ),
    measured_on_another_grid=(
        lambda: measured(lambda y: functional().max_pool2d(y, 2)),
        "the context is measured where the output has the grid of the image: an image of ... px gives an "
        "output of "
        "shape ...; measure the network up to its last layer of that grid",
    ),
    no_such_output=(
        lambda: ex.plan_tiles(ex.analyse(ex.load_model(convolution().eval(), output="logits"), (64, 48)), 64),
        f"{HOW}output: there is no output called 'logits'. The network has one output (1 x 2 x ... x ...)",
    ),
    tried_with_another_size=(
        lambda: approximate(applied(lambda x: functional().max_pool2d(x.cumsum(-1), 2)), factor=32),
        "the model cannot be run in tiles: a tile of ... px gives an output of shape ..., which has not the "
        "size of the tile: choose a network that gives a label for each pixel",
    ),
)
