"""Train the bundled demonstration network on synthetic colonies, and report how good it is.

    python scripts/train_colonies.py                                    # 27 minutes on two busy cores
    python scripts/train_colonies.py --steps 4 --out /tmp/trial         # does it run at all?

Writes `colonies_demo.safetensors` and, for docs/training.md, a log of the loss, a summary and two figures.
"""

from __future__ import annotations

import argparse
import csv
import json
import shlex
import sys
import time
from dataclasses import asdict, dataclass
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import save_file
from scipy.ndimage import gaussian_filter
from torch import Tensor, nn
from torch.nn import functional as F

from napari_exactile.images.colonies import CLASS_NAMES, PIXEL_SIZE_UM, Colonies, draw_colonies
from napari_exactile.models.unet import UNet

if TYPE_CHECKING:
    from matplotlib.figure import Figure

ROOT = Path(__file__).parent.parent
ARCHITECTURE = {"levels": 4, "convolutions": 2, "kernel": 3, "base": 8, "in_channels": 1, "classes": 2}
# Seeds of images. Training takes 0, 1, 2, ... and stays far below the others.
CALIBRATION_SEEDS = range(500_000, 500_048)
HELD_OUT_SEEDS = range(1_000_000, 1_000_024)
POOL = 48
LOG_EVERY = 20
BLUE, ORANGE, SKY = "#0072B2", "#E69F00", "#56B4E9"


@dataclass(frozen=True, slots=True)
class Settings:
    """What a training run depends on; equal settings give equal weights on the same machine."""

    steps: int = 1200
    seed: int = 0
    batch: int = 4
    crop: int = 256
    learning_rate: float = 4e-3
    weight_decay: float = 1e-4

    def __post_init__(self) -> None:
        if not 1 <= self.steps < CALIBRATION_SEEDS.start - POOL:
            raise ValueError(
                f"steps must be between 1 and {CALIBRATION_SEEDS.start - POOL}, got {self.steps}"
            )


def main() -> None:
    settings, out, command = parse_arguments()
    torch.manual_seed(settings.seed)
    torch.set_num_threads(2)
    network = UNet(**ARCHITECTURE, softmax=False).to(memory_format=torch.channels_last)
    start = time.perf_counter()
    log = train(network, settings)
    recalibrate(network)
    minutes = (time.perf_counter() - start) / 60
    summary = {"command": command, "minutes": round(minutes, 1), **asdict(settings), **measure(network)}
    save(network, out["weights"], summary)
    report(network, log, summary, out["report"])
    print(json.dumps(summary, indent=2))


def parse_arguments() -> tuple[Settings, dict[str, Path], str]:
    parser = argparse.ArgumentParser(description="Train the demonstration network on synthetic colonies.")
    parser.add_argument("--steps", type=int, default=Settings().steps)
    parser.add_argument("--seed", type=int, default=Settings().seed)
    parser.add_argument(
        "--out", type=Path, help="folder for everything; default: the places in the repository"
    )
    given = parser.parse_args()
    weights = given.out or ROOT / "src" / "napari_exactile" / "models"
    report_folder = given.out or ROOT / "docs" / "training"
    for folder in (weights, report_folder):
        folder.mkdir(parents=True, exist_ok=True)
    command = shlex.join(["python", "scripts/train_colonies.py", *sys.argv[1:]])
    return Settings(given.steps, given.seed), {"weights": weights, "report": report_folder}, command


def train(network: nn.Module, settings: Settings) -> list[tuple[int, float]]:
    """Train in place; return (step, mean loss) for every stretch of steps."""
    optimiser = torch.optim.AdamW(
        network.parameters(), lr=settings.learning_rate, weight_decay=settings.weight_decay
    )
    # One-cycle schedules need a few steps to have a warm-up and a decay.
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimiser, settings.learning_rate, total_steps=max(settings.steps, 10), pct_start=0.15
    )
    images = ImagePool(settings)
    log, recent = [], []
    network.train()
    for step in range(1, settings.steps + 1):
        pixels, truth = images.batch()
        loss = F.cross_entropy(network(pixels), truth)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        schedule.step()
        recent.append(loss.item())
        if step % LOG_EVERY == 0 or step == settings.steps:
            log.append((step, round(float(np.mean(recent)), 5)))
            recent.clear()
            print(f"step {step}: loss {log[-1][1]:.4f}", flush=True)
    return log


class ImagePool:
    """The latest images drawn: every step adds a fresh one and crops at random from all of them."""

    def __init__(self, settings: Settings) -> None:
        self.rng = np.random.default_rng(settings.seed)
        self.settings = settings
        self.images: list[tuple[NDArray[np.float32], NDArray[np.uint8]]] = []
        self.next_seed = 0
        for _ in range(POOL):
            self._draw()

    def batch(self) -> tuple[Tensor, Tensor]:
        """Return crops (batch, 1, y, x), turned and mirrored, and their labels (batch, y, x)."""
        self.images.pop(0)
        self._draw()
        chosen = self.rng.choice(len(self.images), self.settings.batch, replace=False)
        crops = [self._crop(*self.images[i]) for i in chosen]
        pixels, truth = (torch.from_numpy(np.stack(part)) for part in zip(*crops, strict=True))
        return pixels[:, None].contiguous(memory_format=torch.channels_last), truth.long()

    def _draw(self) -> None:
        drawn = draw_colonies((512, 512), self.next_seed)
        self.images.append((z_score(drawn.image), drawn.labels))
        self.next_seed += 1

    def _crop(
        self, image: NDArray[np.float32], labels: NDArray[np.uint8]
    ) -> tuple[NDArray[np.float32], NDArray[np.uint8]]:
        size = self.settings.crop
        y, x = self.rng.integers(0, 512 - size + 1, 2)
        turns, mirrored = self.rng.integers(4), self.rng.random() < 0.5
        direction = slice(None, None, -1 if mirrored else 1)
        pixels = np.rot90(image[y : y + size, x : x + size], turns)[:, direction]
        return pixels, np.rot90(labels[y : y + size, x : x + size], turns)[:, direction]


def z_score(image: NDArray[np.uint16]) -> NDArray[np.float32]:
    """Return the image with mean 0 and standard deviation 1, both taken over the whole image."""
    return ((image - image.mean()) / image.std()).astype(np.float32)


def as_input(image: NDArray[np.uint16]) -> Tensor:
    return torch.from_numpy(z_score(image))[None, None].contiguous(memory_format=torch.channels_last)


@torch.no_grad()
def recalibrate(network: nn.Module) -> None:
    """Replace the running statistics by plain averages over fresh whole images, without dropout.

    Running statistics trail weights that still change and were gathered with half of the deep features
    dropped; inference has neither.
    """
    network.eval()
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.reset_running_stats()
            module.momentum = None  # a cumulative average
            module.train()
    for a, b in zip(CALIBRATION_SEEDS[::2], CALIBRATION_SEEDS[1::2], strict=True):
        network(torch.cat([as_input(draw_colonies(seed=seed).image) for seed in (a, b)]))
    network.eval()


@torch.no_grad()
def probabilities(network: nn.Module, image: NDArray[np.uint16]) -> NDArray[np.float32]:
    scores: NDArray[np.float32] = torch.softmax(network(as_input(image)), dim=1)[0].numpy()
    return scores


def measure(network: nn.Module) -> dict[str, float]:
    """Return the quality on images never seen, and how well simple thresholds would do on them."""
    held_out = [draw_colonies(seed=seed) for seed in HELD_OUT_SEEDS]
    scores = [probabilities(network, drawn.image) for drawn in held_out]
    truths = [drawn.labels == 1 for drawn in held_out]
    ious = [iou(p[1] > p[0], truth) for p, truth in zip(scores, truths, strict=True)]
    large = draw_colonies((2048, 2048), HELD_OUT_SEEDS.stop)
    large_scores = probabilities(network, large.image)
    gaps = np.abs(np.stack(scores)[:, 1] - np.stack(scores)[:, 0])
    return {
        "iou_mean": round(float(np.mean(ious)), 4),
        "iou_min": round(float(np.min(ious)), 4),
        "iou_2048": round(iou(large_scores[1] > large_scores[0], large.labels == 1), 4),
        "near_ties": float((gaps < 1e-5).mean()),
        "commonest_gap_share": round(commonest_share(gaps), 5),
        "iou_brightness": round(
            best_threshold([-gaussian_filter(z_score(d.image), 2) for d in held_out], truths), 4
        ),
        "iou_texture": round(best_threshold([texture(d) for d in held_out], truths), 4),
    }


def iou(predicted: NDArray[np.bool_], truth: NDArray[np.bool_]) -> float:
    """Return the intersection over union of the colony class."""
    return float((predicted & truth).sum() / max((predicted | truth).sum(), 1))


def commonest_share(gaps: NDArray[np.float32]) -> float:
    """Return the share of pixels that have the commonest score: large where both logits are cut off."""
    return float(np.unique(gaps, return_counts=True)[1].max() / gaps.size)


def texture(drawn: Colonies) -> NDArray[np.float32]:
    """Return the local standard deviation, the usual hand-made feature for phase contrast."""
    z = z_score(drawn.image)
    return np.sqrt(gaussian_filter((z - gaussian_filter(z, 2)) ** 2, 4))


def best_threshold(features: list[NDArray[np.float32]], truths: list[NDArray[np.bool_]]) -> float:
    """Return the mean IoU of the best threshold for every single image, chosen by looking at the truth."""
    levels = [np.quantile(feature, np.linspace(0.02, 0.98, 97)) for feature in features]
    best = [
        max(iou(feature > level, truth) for level in choices)
        for feature, truth, choices in zip(features, truths, levels, strict=True)
    ]
    return float(np.mean(best))


def save(network: nn.Module, folder: Path, summary: dict[str, object]) -> None:
    """Write the weights in float32, with what is needed to rebuild and judge the network in the header."""
    about = {
        "architecture": "UNet",
        "parameters": ARCHITECTURE,
        "normalisation": "z-score of the whole image",
        "class_names": CLASS_NAMES,
        "pixel_size_um": PIXEL_SIZE_UM,
        "data": "synthetic phase-contrast colonies, napari_exactile.images.colonies",
        "training": summary,
    }
    header = {key: value if isinstance(value, str) else json.dumps(value) for key, value in about.items()}
    weights = {name: tensor.contiguous() for name, tensor in network.state_dict().items()}
    save_file(weights, folder / "colonies_demo.safetensors", header)


def report(
    network: nn.Module, log: list[tuple[int, float]], summary: dict[str, object], folder: Path
) -> None:
    with (folder / "loss.csv").open("w", newline="") as file:
        csv.writer(file, lineterminator="\n").writerows([("step", "loss"), *log])
    (folder / "summary.json").write_text(json.dumps(summary, indent=2) + "\n")
    plot_loss(log, folder / "loss.png")
    plot_examples(network, folder / "examples.png")


def draw_again() -> None:
    """Draw the two figures from the kept log and the bundled weights."""
    import napari_exactile as ex

    folder = ROOT / "docs" / "training"
    with (folder / "loss.csv").open(newline="") as file:
        log = [(int(row["step"]), float(row["loss"])) for row in csv.DictReader(file)]
    plot_loss(log, folder / "loss.png")
    plot_examples(ex.load_model("colonies-demo").module, folder / "examples.png")


def plot_loss(log: list[tuple[int, float]], path: Path) -> None:
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(figsize=(6, 3), layout="constrained")
    axes.semilogy(*zip(*log, strict=True), color=BLUE)
    axes.set(xlabel="step", ylabel="cross-entropy")
    axes.grid(alpha=0.3, which="both")
    save_small(figure, path)


def plot_examples(network: nn.Module, path: Path) -> None:
    """Draw two held-out images: alone, with the true outlines, with the predicted outlines."""
    import matplotlib.pyplot as plt

    figure, rows = plt.subplots(2, 3, figsize=(9, 6.3), layout="constrained")
    for row, seed in zip(rows, HELD_OUT_SEEDS, strict=False):
        drawn = draw_colonies(seed=seed)
        scores = probabilities(network, drawn.image)
        low, high = np.percentile(drawn.image, (0.5, 99.5))
        for axes in row:
            axes.imshow(drawn.image, cmap="gray", vmin=low, vmax=high, interpolation="antialiased")
            axes.set_axis_off()
        row[1].contour(drawn.labels, [0.5], colors=ORANGE, linewidths=1.6)
        row[2].contour(scores[1] > scores[0], [0.5], colors=SKY, linewidths=1.6)
    for axes, title in zip(rows[0], ("image", "truth", "prediction"), strict=True):
        axes.set_title(title)
    save_small(figure, path)


def save_small(figure: Figure, path: Path) -> None:
    """Save a figure with 48 greys and the colours of the lines, which keeps noisy images below 300 kB."""
    from PIL import Image
    from shots.keeping import keep

    buffer = BytesIO()
    figure.savefig(buffer, dpi=100, format="png")
    greys = np.repeat(np.linspace(0, 255, 48), 3).reshape(-1, 3)
    lines = np.array([list(bytes.fromhex(colour[1:])) for colour in (BLUE, ORANGE, SKY)])
    blends = [lines * part + (1 - part) * grey for part in (0.5, 1) for grey in (0, 128, 255)]
    palette = Image.new("P", (1, 1))
    palette.putpalette(np.concatenate([greys, *blends]).astype(np.uint8).tobytes())
    keep(Image.open(buffer).convert("RGB").quantize(palette=palette), path)


if __name__ == "__main__":
    main()
