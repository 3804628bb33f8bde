"""Batches made ahead: in order, bounded, and gone with whoever asked for them."""

import threading

import pytest
import torch

from tests.model.test_em import batch_of
from vcma.batching.staging import ahead, on_device

LONG = 30  # s that nothing here takes


def no_thread():
    return not [t for t in threading.enumerate() if t.name.startswith("ahead")]


@pytest.mark.parametrize("count", [0, 1, 2, 9])
def test_in_order_and_all(count):
    assert list(ahead(range(count))) == list(range(count)) and no_thread()


def test_the_next_is_made_while_one_is_in_use_and_no_more_than_two():
    made = [threading.Event() for _ in range(9)]

    def items():
        for i in range(8):
            made[i].set()
            yield i

    for i in ahead(items()):
        assert i == 7 or made[i + 1].wait(LONG)
        assert not any(event.is_set() for event in made[i + 3 :])


def test_an_error_comes_in_its_place():
    def items():
        yield 1
        raise ValueError("the second")

    found = ahead(items())
    assert next(found) == 1
    with pytest.raises(ValueError, match="the second"):
        next(found)
    assert no_thread()


def test_leaving_early_ends_the_thread():
    found = ahead(range(100))
    assert next(found) == 0
    found.close()
    assert no_thread()


class _Batch:
    def __init__(self, number, where="cpu"):
        self.number, self.where = number, where

    def pinned(self):
        return _Batch(self.number, "pinned")

    def to(self, device):
        return _Batch(self.number, f"{self.where} to {device}")


@pytest.mark.parametrize("device", ["cpu", "cuda:0"])
def test_the_next_batch_is_made_while_the_device_has_one(device):
    made = [threading.Event() for _ in range(5)]

    def items():
        for i in range(5):
            made[i].set()
            yield _Batch(i)

    for batch in on_device(items(), device):
        assert batch.number == 4 or made[batch.number + 1].wait(LONG)
    assert no_thread()


def test_a_gpu_gets_pinned_batches_and_a_cpu_its_own():
    for device, where in (("cpu", "cpu to cpu"), ("cuda:0", "pinned to cuda:0")):
        found = list(on_device(map(_Batch, range(5)), device))
        assert [(batch.number, batch.where) for batch in found] == [(i, where) for i in range(5)]


def test_half_floats_become_float32_on_the_way():
    a_batch = batch_of()[1]
    moved = a_batch.pinned().to("cpu")
    assert moved.single.dtype == moved.pair.dtype == torch.float32
    assert torch.equal(moved.single, a_batch.single.float()) and moved.phrase is a_batch.phrase
