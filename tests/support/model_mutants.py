"""Damage files of models as disks, mails and people do, by a seed, and tell what becomes of them.

python tests/support/model_mutants.py FILE ...   a line of JSON for each: what loading and running it gives
"""

from __future__ import annotations

import io
import json
import random
import sys
import warnings
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

Change = Callable[[bytes, random.Random], bytes]
SHAPE = (28, 20)
NUMBERS = [0, 1, -1, 2, 3, 7, 255, 1 << 20, 1 << 31, 1 << 40, (1 << 63) - 1, -(1 << 63), 1 << 64, 0.5, 1e300]


# --- bytes --------------------------------------------------------------------------------------------------


def flip(content: bytes, chance: random.Random) -> bytes:
    changed = bytearray(content)
    for _ in range(chance.choice([1, 1, 1, 2, 8])):
        if changed:
            changed[chance.randrange(len(changed))] ^= 1 << chance.randrange(8)
    return bytes(changed)


def cut(content: bytes, chance: random.Random) -> bytes:
    return content[: chance.randrange(len(content))] if content else b""


def empty(content: bytes, chance: random.Random) -> bytes:
    return b""


def longer(content: bytes, chance: random.Random) -> bytes:
    return content + bytes(chance.choice([1, 4, 64, 4096]))


def zeroed(content: bytes, chance: random.Random) -> bytes:
    start, stop = _range(content, chance)
    return content[:start] + bytes(stop - start) + content[stop:]


def without(content: bytes, chance: random.Random) -> bytes:
    start, stop = _range(content, chance)
    return content[:start] + content[stop:]


def twice(content: bytes, chance: random.Random) -> bytes:
    start, stop = _range(content, chance)
    return content[:stop] + content[start:stop] + content[stop:]


def noise(content: bytes, chance: random.Random) -> bytes:
    start, stop = _range(content, chance)
    return content[:start] + chance.randbytes(stop - start) + content[stop:]


def _range(content: bytes, chance: random.Random) -> tuple[int, int]:
    start = chance.randrange(len(content) + 1)
    return start, min(len(content), start + chance.choice([1, 2, 4, 16, 512]))


BYTES: list[Change] = [flip, flip, flip, cut, empty, longer, zeroed, without, twice, noise]


# --- what is in them ----------------------------------------------------------------------------------------


def in_json(content: bytes, chance: random.Random) -> bytes:
    """Change one value somewhere in JSON."""
    try:
        whole = json.loads(content)
    except ValueError:
        return flip(content, chance)
    places = list(_places(whole))
    if not places:
        return b"null"
    holder, key = chance.choice(places)
    if chance.random() < 0.2:
        del holder[key]
    else:
        holder[key] = _other(holder[key], chance)
    return json.dumps(whole).encode()


def _places(part: Any) -> Iterator[tuple[Any, Any]]:
    pairs = part.items() if isinstance(part, dict) else enumerate(part) if isinstance(part, list) else ()
    for key, value in list(pairs):
        yield part, key
        yield from _places(value)


def _other(value: Any, chance: random.Random) -> Any:
    if chance.random() < 0.3:
        return chance.choice([None, "x", "", [], {}, [[]], True, *NUMBERS])
    if isinstance(value, bool) or value is None:
        return not value
    if isinstance(value, int | float):
        return chance.choice([value + 1, -value, value * 2, *NUMBERS])
    if isinstance(value, str):
        return chance.choice([value + "x", value[1:], value * 2, value.upper()])
    items = list(value.items()) if isinstance(value, dict) else value
    changed = chance.choice([items[1:], items[::-1], items + items[:1], items[:1]])
    return dict(changed) if isinstance(value, dict) else changed


def in_words(content: bytes, chance: random.Random) -> bytes:
    """Change a number, a word or a line of text."""
    lines = content.splitlines(keepends=True)
    if not lines:
        return b"x"
    at = chance.randrange(len(lines))
    kind = chance.randrange(5)
    if kind == 0:
        del lines[at]
    elif kind == 1:
        lines.insert(at, chance.choice(lines))
    elif kind == 2:
        lines[at] = lines[at].replace(b"    ", b"  ", 1)
    else:
        lines[at] = _word_changed(lines[at], b"".join(lines), chance)
    return b"".join(lines)


def _word_changed(line: bytes, whole: bytes, chance: random.Random) -> bytes:
    import re

    found = list(re.finditer(rb"[0-9]+|[A-Za-z_.]+|[^\sA-Za-z0-9_.]", line))
    if not found:
        return line
    word = chance.choice(found)
    if word[0].isdigit():
        new = str(chance.choice(NUMBERS)).encode()
    else:
        new = chance.choice(re.findall(rb"[A-Za-z_.]+|[^\sA-Za-z0-9_.]", whole))
    return line[: word.start()] + new + line[word.end() :]


def in_pickle(content: bytes, chance: random.Random) -> bytes:
    """Change an argument of a pickle's opcodes, or put two opcodes in each other's place."""
    import pickletools

    try:
        ops = [(op.name, at) for op, _argument, at in pickletools.genops(content)]
    except Exception:
        return flip(content, chance)
    ends = [at for _name, at in ops[1:]] + [len(content)]
    parts = [content[at:end] for (_name, at), end in zip(ops, ends, strict=True)]
    at = chance.randrange(len(parts))
    numbers = [i for i, (name, _) in enumerate(ops) if name in {"BININT", "BININT1", "BININT2", "LONG1"}]
    kind = chance.randrange(5)
    if kind == 0:
        del parts[at]
    elif kind == 1:
        parts.insert(at, chance.choice(parts))
    elif kind == 2:
        other = chance.randrange(len(parts))
        parts[at], parts[other] = parts[other], parts[at]
    elif numbers:
        parts[chance.choice(numbers)] = _pickled_number(chance)
    else:
        parts[at] = parts[at][:1] + flip(parts[at][1:], chance)
    return b"".join(parts)


def _pickled_number(chance: random.Random) -> bytes:
    number = int(chance.choice(NUMBERS))
    if chance.random() < 0.2:
        return chance.choice([b"N", b"K\1\x85", b")", b"]", b"X\1\0\0\0x", b"\x88", b"G@\x0f" + b"\xff" * 6])
    if 0 <= number < 256:
        return b"K" + bytes([number])
    data = number.to_bytes(9, "little", signed=True)
    return b"\x8a" + bytes([len(data)]) + data


# --- archives -----------------------------------------------------------------------------------------------


def in_member(content: bytes, chance: random.Random) -> bytes:
    """Change one file of an archive, whose checksums are those of what is in it then."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        members = {info.filename: archive.read(info) for info in archive.infolist()}
    name = chance.choice(list(members))
    kind = chance.random()
    if kind < 0.05:
        del members[name]
    elif kind < 0.1:
        members[name] = members[chance.choice(list(members))]
    elif kind < 0.15:
        members[f"{name}x"] = members.pop(name)
    else:
        members[name] = changed(name, members[name], chance)
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return file.getvalue()


def changed(name: str, content: bytes, chance: random.Random) -> bytes:
    """Change a file by what is in it, or its bytes."""
    inside: dict[str, Change] = {
        ".json": in_json, ".yaml": in_json, ".pkl": in_pickle, ".py": in_words, ".zip": in_member,
        ".safetensors": in_header, ".pt": in_member,
    }  # fmt: skip
    own = next((change for end, change in inside.items() if name.endswith(end)), None)
    fits = own is not None and (own is not in_member or content[:2] == b"PK")
    if own is not None and fits and chance.random() < 0.75:
        return own(content, chance)
    return chance.choice(BYTES)(content, chance)


def in_header(content: bytes, chance: random.Random) -> bytes:
    """Change the header of safetensors, and say its length."""
    length = int.from_bytes(content[:8], "little")
    header = in_json(content[8 : 8 + length], chance)
    return len(header).to_bytes(8, "little") + header + content[8 + length :]


def mutant(content: bytes, name: str, seed: int) -> bytes:
    """Return a damaged copy of a file."""
    chance = random.Random(f"{name} {seed}")
    if content[:2] == b"PK" and chance.random() < 0.85:
        return in_member(content, chance)
    return changed(name, content, chance)


# --- good files ---------------------------------------------------------------------------------------------


def write_good_files(folder: Path) -> list[Path]:
    """Write a good file of each kind."""
    import torch
    from safetensors.torch import save_file

    from napari_exactile.models.random_weights import randomise
    from napari_exactile.models.unet import UNet
    from packages import torchscript, v05, write, zipped

    network: Any = UNet(levels=1, base=2, classes=2, softmax=False).eval().requires_grad_(False)
    randomise(network, 3)
    image = torch.zeros(1, 1, 16, 16)
    state = network.state_dict()
    sizes = ({2: torch.export.Dim.AUTO, 3: torch.export.Dim.AUTO},)
    torch.jit.script(network).save(str(folder / "script.pt"))
    torch.jit.trace(network, image, check_trace=False).save(str(folder / "traced.pt"))
    torch.jit.freeze(torch.jit.script(network)).save(str(folder / "frozen.pt"))
    torch.export.save(torch.export.export(network, (image,), dynamic_shapes=sizes), folder / "exported.pt2")
    torch.save(state, folder / "state.pt")
    wrapped = {f"module.{name}": tensor for name, tensor in state.items()}
    torch.save({"epoch": 3, "state_dict": wrapped}, folder / "wrapped.pt")
    torch.save(state, folder / "legacy.pth", _use_new_zipfile_serialization=False)
    save_file(state, folder / "weights.safetensors")
    package = folder / "package"
    entry = torchscript(package, network) | {"sha256": None}
    write(package, v05(torchscript=entry, classes=("background", "cell"), halo=0, size={"min": 8, "step": 2}))
    (package / "test_input.npy").write_bytes(b"")
    zipped(package)
    return sorted(path for path in folder.iterdir() if path.is_file())


# --- what becomes of them -----------------------------------------------------------------------------------


def outcome(path: Path) -> tuple[str, str]:
    """Return how using a file ends, and the words: labels, refused, a sentence, or an error that is none."""
    import numpy as np

    import napari_exactile as ex
    from napari_exactile.models.files.archive import ModelFileError
    from napari_exactile.run.engine.events import TileError

    image = np.random.default_rng(0).normal(size=SHAPE).astype(np.float32)
    try:
        model = ex.load_model(path)
    except ModelFileError as error:
        return _said(error)
    except Exception as error:
        return "traceback", f"{type(error).__name__}: {error}"
    try:
        analysis = ex.analyse(model, SHAPE)
        if analysis.refusals:
            return "refused", str(analysis.refusals[0])
        ex.segment(image, model, tile=64)
        return "labels", ""
    except (ValueError, TileError) as error:
        return _said(error)
    except Exception as error:
        return "traceback", f"{type(error).__name__}: {error}"


def _said(error: Exception) -> tuple[str, str]:
    """Tell a sentence from what torch prints."""
    words = str(error)
    return "traceback" if "\n" in words or not words else "sentence", f"{type(error).__name__}: {words}"


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    for name in sys.argv[1:]:
        print(json.dumps({"file": name}), flush=True)
        kind, words = outcome(Path(name))
        print(json.dumps({"file": name, "kind": kind, "words": words}), flush=True)
