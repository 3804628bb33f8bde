"""The arithmetic of a network's convolutions and matrix products."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

PRECISIONS = ("fp32", "tf32", "bf16", "fp16")


@contextmanager
def computing_in(precision: str, device: str) -> Iterator[None]:
    """Compute in one of PRECISIONS on a torch device; boxes, scores and their selection stay in float32.

    fp32 is that of the CPU: TensorFloat-32 is off, which torch has on for convolutions unless told otherwise. tf32
    is torch's own default, TensorFloat-32 in convolutions alone. bf16 and fp16 are torch's autocast. What is set
    for the whole process is as before afterwards.
    """
    import torch

    kind = torch.device(device).type
    if precision in ("bf16", "fp16"):
        with torch.autocast(kind, torch.bfloat16 if precision == "bf16" else torch.float16):
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
