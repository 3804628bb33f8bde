"""Check that this machine has a torch device."""

from __future__ import annotations


def device_error(device: str) -> str:
    """Return an error message for a torch device's name, empty if torch has that device on this machine."""
    if device == "cpu":
        return ""
    import torch

    try:
        wanted = torch.device(device)
        count = torch.get_device_module(wanted).device_count()
    except (RuntimeError, AttributeError):
        count = 0
    return "" if count and (wanted.index or 0) < count else f"torch finds no {device} here"
