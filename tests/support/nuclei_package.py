"""The package of the nucleus U-Net."""

from __future__ import annotations

import inspect
from pathlib import Path

from nucleus_unet import NucleusUNet, block, sample, trained, upsampler
from packages import sha256, state_dict, step, tensors, torchscript, v04, v05, write

SOURCE = "\n\n".join([
    "from itertools import pairwise\nimport torch\nfrom torch import Tensor, nn\n"
    "from torch.nn import functional as F\n\nWIDTHS = (16, 32, 64, 128)",
    *(inspect.getsource(part) for part in (block, upsampler, NucleusUNet)),
])  # fmt: skip


Z_SCORE = step("zero_mean_unit_variance", axes=["y", "x"])


Z_SCORE_04 = {"name": "zero_mean_unit_variance", "kwargs": {"mode": "per_sample", "axes": "yx"}}


def weights_of(folder: Path, form: str) -> dict[str, dict]:
    """Save the trained network as TorchScript, or as weights with the file that defines the network."""
    if form == "torchscript":
        return {"torchscript": torchscript(folder, trained())}
    folder.mkdir(exist_ok=True)
    (folder / "unet.py").write_text(SOURCE)
    code = {"source": "unet.py", "callable": "NucleusUNet", "sha256": sha256(folder / "unet.py")}
    return {"pytorch_state_dict": state_dict(folder, trained(), code)}


def nuclei(folder: Path, form: str = "torchscript", *, old: bool = False) -> Path:
    """The package of the nucleus U-Net, in version 0.4 or 0.5."""
    weights = weights_of(folder, form)
    if old and form != "torchscript":
        entry = weights["pytorch_state_dict"]
        code = entry.pop("architecture")
        entry |= {"architecture": "unet.py:NucleusUNet", "architecture_sha256": code["sha256"]}
    if old:
        description = v04(before=[Z_SCORE_04], after=[{"name": "sigmoid"}], **weights)
    else:
        description = v05(before=[Z_SCORE], after=[step("sigmoid")], **weights)
    write(folder, description)
    tensors(folder, sample("test_input"), sample("test_output"))
    return folder
