"""Numerical precision of convolutions and matrix products."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

PRECISIONS = ("fp32", "tf32", "bf16", "fp16")


@contextmanager
def computing_in(precision: str, device: str) -> Iterator[None]:
    """Compute in one of PRECISIONS on a torch device; boxes, scores and their selection stay in float32.

    fp32 disables TensorFloat-32, which torch enables for convolutions by default. tf32 is that default:
    TensorFloat-32 in convolutions only. bf16 and fp16 use torch's autocast. Process-wide settings are restored on
    exit.
    """
    import torch

    device_type = torch.device(device).type
    if precision in ("bf16", "fp16"):
        with torch.autocast(device_type, torch.bfloat16 if precision == "bf16" else torch.float16):
            yield
        return
    convolution: Any = torch.backends.cudnn.conv  # type: ignore[attr-defined]
    product: Any = torch.backends.cuda.matmul
    before = convolution.fp32_precision, product.fp32_precision
    convolution.fp32_precision = "tf32" if precision == "tf32" else "ieee"
    product.fp32_precision = "ieee"
    try:
        yield
    finally:
        convolution.fp32_precision, product.fp32_precision = before
