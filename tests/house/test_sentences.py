"""Whatever is refused is refused in a sentence: what happened, to what, and what to do."""

from __future__ import annotations

from pathlib import Path

import pytest

from sentences import (
    of_archives,
    of_arrays,
    of_chosen,
    of_command,
    of_images,
    of_many,
    of_models,
    of_networks,
    of_operators,
    of_packages,
    of_programs,
    of_runs,
    of_settings,
    of_stores,
    of_weights,
)
from sentences.source import raised_in
from sentences.style import faults
from sentences.table import Row

# A part of the program has a file of rows; whoever adds a file adds it here, and its rooms below.
PARTS = (
    of_images,
    of_arrays,
    of_settings,
    of_chosen,
    of_many,
    of_runs,
    of_stores,
    of_models,
    of_archives,
    of_weights,
    of_packages,
    of_programs,
    of_networks,
    of_operators,
    of_command,
)
TABLE: list[Row] = [row for part in PARTS for row in part.ROWS]
# What is raised there and is not in the table: beginnings of sentences, by why they are not.
UNSAID = {
    "only an error of ours can raise it": (
        "evaluate/agreement.py: {} pixels cannot be in both",
        "geometry/frame.py: an image of {} does not fit into {}",
        "geometry/interval.py: {} is not inside {}",
        "geometry/tiling.py: shape {}, factor {}, zone {}",
        "geometry/tiling.py: the image is empty along axis",
        "geometry/tiling.py: a zone of {} px is not",
        "images/objects/objects.py: {} objects have not centroids",
        "images/store/ome_zarr.py: the axes {} need",
        "images/store/shards.py: ",
        "models/load.py: the weights of {} do not fit its architecture",
        "network/rules/table.py: there are two rules",
        "network/whole/rules.py: there are two rules",
    ),
    "another operator, or a look at the whole network, is refused before it": (
        "network/rules/channels.py: If this is a batch norm left",
        "network/rules/scatter.py: it assigns to a single row",
        "network/rules/scatter.py: it assigns a constant, where",
        "network/whole/rules.py: it normalises with statistics of the batch",
    ),
    "whoever asks says it in words of its own": (
        "network/placed.py: in a crop of the image",
        "images/about/units.py: a pixel is not {} {} long",
        "images/store/journal.py: {} is damaged",
        "models/files/archive.py: its list of files is not where it should be",
    ),
    "it takes a machine with less memory, disk or devices, or another run at the same moment": (
        "images/read/cached.py: decoding takes {}",
        "images/store/folder.py: {} was removed, and",
        "images/store/folder.py: {} holds labels already",
        "models/files/archive.py: {} needs {} bytes when unpacked, and {} has {} left",
        "run/engine/local/pieces.py: not enough memory",
        "run/plan/devices.py: there is no CUDA device",
    ),
    "it takes a crash, or a minute, in another process": (
        "models/files/torch_files.py: {} is not loaded: tried in a process of its own",
    ),
    "only the window, or another process, asks for it": (
        "images/store/exported.py: there is no folder {}",
        "run/engine/rethreshold.py: labels can be given another threshold",
        "run/engine/schedule/unchanged.py: {} has been changed meanwhile",
        "run/task/said.py: ",
    ),
    "it is about packages of models": ("run/check/model_check.py: ",),
}
ROOMS = ("cli", "evaluate", "geometry", "images", "models", "network", "run")


@pytest.mark.parametrize("row", TABLE, ids=str)
def test_sentences(row: Row, tmp_path: Path) -> None:
    """A real input provokes the sentence of the table, which is in nobody's words but ours."""
    said = row.said(tmp_path)
    assert row.is_said_by(said), said
    assert not [*faults(said)], said


def test_every_row_has_its_own_name() -> None:
    """No row hides another one."""
    assert len({str(row) for row in TABLE}) == len(TABLE)


def test_every_sentence_is_in_the_table() -> None:
    """Whatever is raised in these rooms stands in the table, but for what only an error of ours can raise."""
    missing = [
        str(one) for one in raised_in(*ROOMS) if not any(one.pattern.search(row.words) for row in TABLE)
    ]
    unsaid = tuple(beginning for beginnings in UNSAID.values() for beginning in beginnings)
    assert not [one for one in missing if not one.startswith(unsaid)]
    assert not [beginning for beginning in unsaid if not any(one.startswith(beginning) for one in missing)]
