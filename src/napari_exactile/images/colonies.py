"""Synthetic phase-contrast microscopy of stem-cell colonies, with its true segmentation.

The picture is built as the microscope builds it. A map of optical thickness (colonies of packed cells, lone
spindle-shaped cells) goes through the phase-contrast filter, which darkens thick places, surrounds them with
bright halos and lets the middle of large objects fade back to the grey of the background ("shade-off"; Yin,
Kanade and Chen, Med. Image Anal. 16, 2012). Debris, uneven light and camera noise follow. Because of the
shade-off, brightness says little about what is colony: outline and texture do.

Everything is placed with a fixed density per area, so crops of large images look like small images.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from collections.abc import Iterator

Plane = NDArray[np.float32]
Shape = tuple[int, int]

PIXEL_SIZE_UM = 0.65
CLASS_NAMES = ("background", "colony")

# Lengths in pixels, densities in objects per square pixel.
_COLONY_RADIUS = 60.0
_LARGEST_RADIUS = 125.0
_COLONY_DENSITY = 1 / 215**2
_SPINDLE_DENSITY = 1 / 150**2
_SPECK_DENSITY = 1 / 80**2
_DEAD_CELL_DENSITY = 1 / 260**2
_CELL_SPACING = 17
_HALO_WIDTHS = (3.5, 14.0)


class Colonies(NamedTuple):
    """A picture and its truth: image in camera counts (uint16), labels 0 background and 1 colony (uint8)."""

    image: NDArray[np.uint16]
    labels: NDArray[np.uint8]


def draw_colonies(shape: Shape = (512, 512), seed: int = 0) -> Colonies:
    """Draw an image of (y, x) pixels of 0.65 um and its labels, the same for the same shape and seed.

    Raises `ValueError` for a shape without pixels.
    """
    if len(shape) != 2 or min(shape) < 1:
        raise ValueError(f"a shape is two numbers of pixels, at least 1 each, not {shape}")
    rng = np.random.default_rng(seed)
    depth, height = _outlines(shape, rng)
    thickness = height * _cells(shape, rng)
    _add_spindles(thickness, rng)
    light = _phase_contrast(thickness)
    _add_specks(light, rng)
    _add_dead_cells(light, rng)
    light *= 1 + 0.09 * _smooth_noise(shape, 420, rng)
    return Colonies(_camera(light, rng), (depth > 0).astype(np.uint8))


def _outlines(shape: Shape, rng: np.random.Generator) -> tuple[Plane, Plane]:
    """Return the depth within the nearest colony edge (pixels, negative outside) and the colonies' height."""
    rough = 4 * _smooth_noise(shape, 30, rng) + 2 * _smooth_noise(shape, 9, rng)
    depth = np.full(shape, -np.inf, np.float32)
    height = np.zeros(shape, np.float32)
    for y, x, radius in _colony_places(shape, rng):
        outline = _radii(radius, rng)
        edge, tall = rng.uniform(1.5, 8), rng.uniform(0.35, 1.1)
        window, dy, dx = _window(shape, y, x, int(np.max(outline)) + 16)
        angle = np.arctan2(dy, dx) * (len(outline) / (2 * np.pi))
        inside = outline[angle.astype(np.intp)] - np.hypot(dy, dx) + rough[window]
        profile = tall * (1 - np.exp(-np.maximum(inside, 0) / edge))
        np.maximum(depth[window], inside, out=depth[window])
        np.maximum(height[window], profile, out=height[window])
    return depth, height


def _colony_places(shape: Shape, rng: np.random.Generator) -> Iterator[tuple[float, float, float]]:
    """Yield the centre (y, x) and radius of every colony that may reach the image; some touch a neighbour."""
    # A neighbour may reach into the image from a colony that lies two diameters outside.
    for y, x in _places(shape, _COLONY_DENSITY, round(4 * _LARGEST_RADIUS), rng):
        radius, angle, touches = _radius(rng), rng.uniform(0, 2 * np.pi), rng.random() < 0.35
        yield y, x, radius
        neighbour = _radius(rng)
        if touches:
            reach = 1.02 * (radius + neighbour)
            yield y + reach * np.sin(angle), x + reach * np.cos(angle), neighbour


def _radius(rng: np.random.Generator) -> float:
    return float(np.clip(rng.lognormal(np.log(_COLONY_RADIUS), 0.4), 24, _LARGEST_RADIUS))


def _radii(radius: float, rng: np.random.Generator) -> Plane:
    """Return the distance of an irregular outline from its centre at 720 angles around the circle."""
    angle = np.linspace(-np.pi, np.pi, 720, endpoint=False)
    order = np.arange(2, 9)[:, None]
    phase = rng.uniform(0, 2 * np.pi, order.shape)
    size = rng.normal(0, 0.16, order.shape) / (order - 1) ** 0.9
    wave = (size * np.cos(order * angle + phase)).sum(axis=0)
    return np.asarray(radius * np.exp(wave).clip(0.35, 1.5), np.float32)


def _cells(shape: Shape, rng: np.random.Generator) -> Plane:
    """Return the relief of a sheet of packed cells, about 1 high: gaps, nuclei, dense nucleoli, grains."""
    squares = tuple(-(-n // _CELL_SPACING) + 2 for n in shape)
    seeds = rng.random((2, *squares), np.float32)
    bulk = rng.uniform(0.7, 1.3, squares).astype(np.float32)
    first, second, size = (plane[: shape[0], : shape[1]] for plane in _nearest_cells(seeds, bulk, rng))
    nucleus = 1 / (1 + np.exp((first - 5) / 0.8))
    tight = np.clip(0.5 + 0.35 * _smooth_noise(shape, 22, rng), 0, 1.1)
    grains = _blur(rng.standard_normal(shape, np.float32), 1.5)
    relief: Plane = size * (1 - tight * np.exp((first - second) / 2)) - 0.2 * nucleus + 0.85 * grains
    return relief + _nucleoli(shape, seeds, rng)


def _nearest_cells(seeds: Plane, bulk: Plane, rng: np.random.Generator) -> tuple[Plane, Plane, Plane]:
    """Return every pixel's distance to the nearest cell and to the second nearest, and the nearest's bulk.

    One cell lies anywhere in each square of a grid, so the nearest two are among the 3 x 3 squares around.
    """
    s, rows, columns = _CELL_SPACING, bulk.shape[0] - 2, bulk.shape[1] - 2
    sheet, flat = (rows, s, columns, s), (rows * s, columns * s)
    within = (np.arange(s, dtype=np.float32) + 0.5) / s
    # Bending the coordinates bends the walls between cells, which would be straight lines.
    y = 0.1 * _smooth_noise(flat, 9, rng).reshape(sheet) + within[:, None, None]
    x = 0.1 * _smooth_noise(flat, 9, rng).reshape(sheet) + within
    first, second = np.full(sheet, np.inf, np.float32), np.full(sheet, np.inf, np.float32)
    size = np.empty(sheet, np.float32)
    for i, j in np.ndindex(3, 3):
        near = np.s_[i : i + rows, None, j : j + columns, None]
        distance = (y - (seeds[0][near] + i - 1)) ** 2 + (x - (seeds[1][near] + j - 1)) ** 2
        np.copyto(size, bulk[near], where=distance < first)
        np.minimum(second, np.maximum(first, distance), out=second)
        np.minimum(first, distance, out=first)
    return s * np.sqrt(first).reshape(flat), s * np.sqrt(second).reshape(flat), size.reshape(flat)


def _nucleoli(shape: Shape, seeds: Plane, rng: np.random.Generator) -> Plane:
    """Return two dense dots in the nucleus of every cell."""
    grid = np.indices(seeds.shape[1:], np.float32) - 1
    centres = ((seeds + grid) * _CELL_SPACING).reshape(2, -1)
    dots = np.zeros(shape, np.float32)
    for _ in range(2):
        y, x = np.rint(centres + rng.normal(0, 2, centres.shape)).astype(np.intp)
        seen = (y >= 0) & (y < shape[0]) & (x >= 0) & (x < shape[1])
        dots[y[seen], x[seen]] = rng.uniform(1.5, 5.5, seen.sum())
    return _blur(dots, 0.9)


def _add_spindles(thickness: Plane, rng: np.random.Generator) -> None:
    """Add lone, elongated, slightly bent cells, which are not colonies."""
    for y, x in _places(thickness.shape, _SPINDLE_DENSITY, 60, rng):
        angle, length, width = rng.uniform(0, np.pi), rng.uniform(7, 24), rng.uniform(2, 5)
        bend, tall = rng.normal(0, 0.006), rng.uniform(0.3, 1.0)
        window, dy, dx = _window(thickness.shape, y, x, 60)
        along = dx * np.cos(angle) + dy * np.sin(angle)
        across = dy * np.cos(angle) - dx * np.sin(angle) + bend * along**2
        body = tall * np.exp(-((along / length) ** 2) - (across / width) ** 2)
        np.maximum(thickness[window], body, out=thickness[window])


def _phase_contrast(thickness: Plane) -> Plane:
    """Return the light (1 is the background) behind an object: darker where it is thicker than around it."""
    narrow, wide = _HALO_WIDTHS
    surroundings = 0.5 * _blur(thickness, narrow) + 0.5 * _wide_blur(thickness, wide)
    return 1 - 0.42 * (thickness - surroundings)


def _add_specks(light: Plane, rng: np.random.Generator) -> None:
    """Add small bright debris with dark rings, on colonies and beside them."""
    for y, x in _places(light.shape, _SPECK_DENSITY, 16, rng):
        size, bright = rng.uniform(0.9, 2.2), rng.uniform(0.15, 0.7)
        window, dy, dx = _window(light.shape, y, x, 16)
        square = (dy**2 + dx**2) / size**2
        light[window] += bright * (1.25 * np.exp(-square / 2) - 0.4 * np.exp(-square / 10))


def _add_dead_cells(light: Plane, rng: np.random.Generator) -> None:
    """Add rounded, floating cells: bright, with a dark rim and a halo."""
    for y, x in _places(light.shape, _DEAD_CELL_DENSITY, 40, rng):
        size, bright = rng.uniform(3, 7), rng.uniform(0.15, 0.8)
        flat, tilt = rng.uniform(0.85, 1.15), rng.uniform(-0.2, 0.2)
        window, dy, dx = _window(light.shape, y, x, 40)
        distance = np.hypot(dy * flat + tilt * dx, dx / flat)
        core = np.exp(-((distance / size) ** 4))
        rim = np.exp(-(((distance - size) / 1.8) ** 2))
        glow = np.exp(-(((distance - size - 4) / 4) ** 2))
        light[window] += bright * (0.9 * core - 0.7 * rim + 0.3 * glow)


def _camera(light: Plane, rng: np.random.Generator) -> NDArray[np.uint16]:
    """Return the counts of a camera: a slight blur, photon noise, read noise and an offset."""
    photons = 9000 * np.maximum(_blur(light, 0.8), 0)
    noise = rng.standard_normal(light.shape, np.float32)
    counts = 500 + photons + np.sqrt(3 * photons + 60**2) * noise
    return np.asarray(np.clip(counts, 0, 65535), np.uint16)


def _blur(plane: Plane, width: float) -> Plane:
    """Return a plane blurred by a Gaussian whose standard deviation is `width` pixels."""
    from scipy.ndimage import gaussian_filter

    blurred: Plane = gaussian_filter(plane, width)
    return blurred


def _wide_blur(plane: Plane, width: float) -> Plane:
    """Return nearly the same as `_blur`, from two box filters: their cost does not grow with the width."""
    from scipy.ndimage import uniform_filter

    box = round(width * 6**0.5)
    blurred: Plane = uniform_filter(uniform_filter(plane, box), box)
    return blurred


def _smooth_noise(shape: Shape, length: float, rng: np.random.Generator) -> Plane:
    """Return a random field of mean 0 and variance 1 that varies over about `length` pixels."""
    down, across = (_spread(n, length / 2) for n in shape)
    coarse = rng.standard_normal((down.shape[1], across.shape[1]), np.float32)
    return np.asarray(down @ coarse @ across.T, np.float32)


def _spread(pixels: int, spacing: float) -> Plane:
    """Return the weights (pixels, points), rows of unit length, that spread points `spacing` pixels apart."""
    points = np.arange(-4, int(pixels / spacing) + 5)
    place = (np.arange(pixels) / spacing)[:, None] - points
    weights = np.exp(-0.5 * place**2)
    return np.asarray(weights / np.linalg.norm(weights, axis=1, keepdims=True), np.float32)


def _places(shape: Shape, density: float, margin: int, rng: np.random.Generator) -> NDArray[np.float64]:
    """Return random places (y, x) of the given density, in the image and up to `margin` pixels around it."""
    height, width = (n + 2 * margin for n in shape)
    count = rng.poisson(density * height * width)
    return rng.random((count, 2)) * (height, width) - margin


def _window(shape: Shape, y: float, x: float, reach: int) -> tuple[tuple[slice, slice], Plane, Plane]:
    """Return the part of the image within `reach` of a place, and its pixels' offsets from there (y, x)."""
    top, left = max(0, int(y) - reach), max(0, int(x) - reach)
    bottom, right = max(top, min(shape[0], int(y) + reach)), max(left, min(shape[1], int(x) + reach))
    dy = (np.arange(top, bottom) - y).astype(np.float32)[:, None]
    dx = (np.arange(left, right) - x).astype(np.float32)
    return np.s_[top:bottom, left:right], dy, dx
