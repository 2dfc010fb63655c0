"""Running a network on whatever machine there is: device, precision, batch size, running out of memory."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass, replace

from .errors import UnusableInput

DEVICES = ("auto", "cpu", "cuda", "mps")
log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Runtime:
    """Where and how a network runs. device: cpu, cuda or mps; precision: fp32, bf16 or fp16; batch: slices at once."""

    device: str
    precision: str = "fp32"
    batch: int = 8

    @property
    def description(self) -> str:
        """For the user: the GPU's name, or the CPU with its number of threads."""
        import torch

        if self.device == "cuda":
            return torch.cuda.get_device_name()
        if self.device == "mps":
            return "Apple GPU"
        return f"CPU, {torch.get_num_threads()} threads"

    def autocast(self):
        """Context in which the network computes in this precision."""
        import torch

        dtype = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}[self.precision]
        return torch.autocast(self.device, dtype, enabled=self.precision != "fp32")


def choose_runtime(device: str = "auto", batch: int = 8) -> Runtime:
    """The runtime for a wish. "auto" takes CUDA, then Apple's GPU, then the CPU.

    Raises UnusableInput when the wished device is not there.
    """
    import torch

    if device not in DEVICES:
        raise UnusableInput(f"The device '{device}' is not known; choose one of {', '.join(DEVICES)}.")
    there = {"cpu": True, "cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    if device == "auto":
        device = next(d for d in ("cuda", "mps", "cpu") if there[d])
    if not there[device]:
        raise UnusableInput(f"This computer has no usable '{device}' device; choose 'auto' or 'cpu'.")
    return Runtime(device, _precision(device), batch)


def _precision(device: str) -> str:
    """Half precision where the hardware multiplies it faster; elsewhere it costs time or accuracy."""
    import torch

    if device == "cuda":
        return "bf16" if torch.cuda.is_bf16_supported(including_emulation=False) else "fp16"
    if device == "cpu" and getattr(torch.cpu, "_is_avx512_bf16_supported", bool)():
        return "bf16"
    return "fp32"


def with_fallback(work: Callable[[Runtime], object], runtime: Runtime, warn: Callable[[str], None] = log.warning):
    """work(runtime), again with half the batch and at last on the CPU whenever the GPU runs out of memory.

    Returns the result and the runtime that gave it. Everything else that work raises passes through.
    """
    import torch

    while True:
        try:
            return work(runtime), runtime
        except torch.OutOfMemoryError:
            if runtime.device == "cpu":
                raise
        # outside the handler, so that the failed attempt's tensors are free before the next one
        if runtime.device == "cuda":
            torch.cuda.empty_cache()
        if runtime.batch > 1:
            runtime = replace(runtime, batch=runtime.batch // 2)
            warn(f"The GPU ran out of memory; trying again with {runtime.batch} slices at once.")
        else:
            runtime = Runtime("cpu", _precision("cpu"))
            warn("The GPU ran out of memory; going on with the CPU.")
