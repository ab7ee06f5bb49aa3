"""Memory of our own: what nobody uses any more is used again, and never while somebody does."""

from __future__ import annotations

import gc
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch

from napari_exactile.network.skewed import memory
from napari_exactile.network.skewed.memory import ALIGNED, LEAST, new_memory

SHAPE = (LEAST // 64, 32)


@pytest.fixture(autouse=True)
def pool(monkeypatch: pytest.MonkeyPatch) -> memory._Pool:
    """A pool of its own."""
    pool = memory._Pool()
    monkeypatch.setattr(memory, "_pool", pool)
    return pool


def test_a_block_is_used_again_once_nobody_looks_at_it(pool: memory._Pool) -> None:
    """Views keep it, in any form; then the next tensor that is nearly as large gets it."""
    one = new_memory(SHAPE, torch.float32)
    place, view = one.data_ptr(), one[5:].movedim(1, 0).unsqueeze(0)
    del one
    assert not pool._free
    other = new_memory(SHAPE, torch.float32)
    assert other.data_ptr() != place
    del view
    gc.collect()
    again = new_memory((SHAPE[0] - 100, 16), torch.float64)
    assert again.data_ptr() == place
    assert (tuple(again.shape), again.dtype) == ((SHAPE[0] - 100, 16), torch.float64)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16, torch.uint8])
def test_it_holds_what_is_written_and_lies_well(dtype: torch.dtype) -> None:
    """Of any type and size, aligned for kernels."""
    for shape in ((3, 5), SHAPE, (LEAST + 1,)):
        tensor = new_memory(shape, dtype)
        tensor.fill_(1)
        assert tensor.data_ptr() % ALIGNED == 0
        assert tensor.is_contiguous()
        assert bool((tensor == 1).all())


def test_no_more_is_kept_than_is_said(pool: memory._Pool, monkeypatch: pytest.MonkeyPatch) -> None:
    """What came first goes first; small and much larger blocks are not taken for a tensor."""
    monkeypatch.setattr(memory, "MOST", 3 * LEAST)
    tensors = [new_memory((LEAST,), torch.uint8) for _ in range(5)]
    small = new_memory((LEAST // 2,), torch.uint8)
    del tensors, small
    gc.collect()
    assert sum(block.nbytes for block in pool._free) <= 3 * LEAST
    kept = len(pool._free)
    half = new_memory((LEAST * 2,), torch.uint8)
    assert len(pool._free) == kept, "none is large enough"
    assert half.numel() == 2 * LEAST


def test_threads_never_share_a_block() -> None:
    """Each writes its own number and reads it back, again and again."""

    def work(number: int) -> bool:
        good = True
        for _ in range(40):
            tensor = new_memory(SHAPE, torch.float32).fill_(number)
            good = good and bool((tensor == number).all())
        return good

    with ThreadPoolExecutor(4) as threads:
        assert all(threads.map(work, range(4)))
