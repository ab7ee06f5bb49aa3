"""Operators that cannot be computed exactly region by region, each with its reason and what to do instead."""

from __future__ import annotations

from napari_exactile.network.rules.products import attention
from napari_exactile.network.rules.table import Operator, refused, rule
from napari_exactile.network.traced.failures import NEAR
from napari_exactile.network.traced.graph import Graph, Node
from napari_exactile.network.traced.layout import Layout

_STRIPS = "it takes windows of the image apart into columns, which has no rule"

_REASONS = (
    {
        "im2col": (_STRIPS, "Use a convolution, or nn.PixelUnshuffle for windows side by side"),
        "col2im": (_STRIPS, "Use a transposed convolution, or nn.PixelShuffle for windows side by side"),
        "unfold": (_STRIPS, "Use a convolution, or nn.PixelUnshuffle for windows side by side"),
        "deform_conv2d": (
            "deformable convolution: where it reads depends on pixel values",
            "Use a convolution",
        ),
        "embedding": (
            "it looks pixel values up in a table, which has no rule",
            "Use F.one_hot and a convolution",
        ),
    }
    | dict.fromkeys(
        ("grid_sampler_2d", "grid_sampler_3d"),
        ("where it reads depends on a grid that can lead anywhere", "Resize with F.interpolate instead"),
    )
    | dict.fromkeys(
        ("cumsum", "cumprod", "cummax", "cummin", "logcumsumexp"),
        ("it adds up along an axis: a pixel depends on all that come before it", "Add up over a window"),
    )
    | dict.fromkeys(
        ("_fft_r2c", "_fft_c2c", "_fft_c2r"),
        ("a Fourier transform: every pixel depends on every other", "Filter with a convolution"),
    )
)


def _nowhere(_node: Node, _sources: object) -> Layout | None:
    return None


@rule(*_REASONS, layout=_nowhere, anywhere=True, results=True)
def _refuse(node: Node, _graph: Graph) -> Operator:
    raise refused(node, *_REASONS[node.name])


_ATTENTION = (
    "_scaled_dot_product_flash_attention_for_cpu",
    "_scaled_dot_product_flash_attention",
    "_scaled_dot_product_efficient_attention",
    "_scaled_dot_product_cudnn_attention",
    "_scaled_dot_product_attention_math",
    "_scaled_dot_product_fused_attention_overrideable",
    "_native_multi_head_attention",
    "_transformer_encoder_layer_fwd",
)


@rule(*_ATTENTION, layout=_nowhere, anywhere=True, results=True)
def _attend(node: Node, graph: Graph) -> Operator:
    """Refuse attention, by what its tokens are: pixels, those of a row or column, or channels."""
    tokens, features = graph.layout(node.inputs[0]).dims[-2:]
    raise refused(node, attention(tokens, features, graph.axes), NEAR)
