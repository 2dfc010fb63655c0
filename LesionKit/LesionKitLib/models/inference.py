"""Running a network on whatever machine there is: device, precision, batch size, running out of memory."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace

from LesionKitLib.run.allocator import retained_memory
from LesionKitLib.run.errors import UnusableInput
from LesionKitLib.run.threads import Workers, one_thread_per_operation, prepare_libraries, worker_count

DEVICES = ("auto", "cpu", "cuda", "mps")
CPU_BATCH, MAX_BATCH = 8, 32
BYTES_PER_SLICE = 200 * 2**20  # generous: a 2-D network's activations at 512 x 512
log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Runtime:
    """Where and how a network runs. device: cpu, cuda or mps; precision: fp32, bf16 or fp16; batch: slices at once.

    cpu_batch: slices at once where a GPU turns out to be too small and the CPU takes over.
    """

    device: str
    precision: str = "fp32"
    batch: int = 8
    cpu_batch: int = CPU_BATCH

    @property
    def description(self) -> str:
        """For the user: the GPU's name, or the CPU with its number of threads."""
        if self.device == "cuda":
            import torch

            return torch.cuda.get_device_name()
        if self.device == "mps":
            return "Apple GPU"
        count = self.workers
        return f"CPU, {count} thread{'' if count == 1 else 's'}"

    @property
    def workers(self) -> int:
        """Threads that compute parts of the work side by side; a GPU needs one that feeds it."""
        return worker_count() if self.device == "cpu" else 1

    @contextmanager
    def computing(self) -> Iterator[Workers]:
        """Workers that compute in inference mode and in this precision, with memory kept from step to step."""
        with retained_memory(), one_thread_per_operation(), Workers(self.workers, self._mode) as workers:
            yield workers

    @contextmanager
    def _mode(self) -> Iterator[None]:
        import torch

        with torch.inference_mode(), self.autocast():
            yield

    def prepared(self, network):
        """The network (torch module in eval mode) where and in the form in which it computes fastest."""
        import torch

        if not isinstance(network, torch.nn.Module):
            return network.to(self.device)
        network = network.to(self.device, memory_format=torch.channels_last)
        if self.device != "cpu":
            return network
        from LesionKitLib.models.encoders.fused import fused

        return fused(network, self.precision)

    def autocast(self):
        """Context in which the network computes in this precision."""
        import torch

        dtype = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}[self.precision]
        return torch.autocast(self.device, dtype, enabled=self.precision != "fp32")


def choose_runtime(device: str = "auto", batch: int | None = None, cpu_batch: int = CPU_BATCH) -> Runtime:
    """The runtime that was asked for. "auto" takes CUDA, then Apple's GPU, then the CPU.

    batch: slices at once; None takes what the device's free memory allows, and on a CPU cpu_batch: large maps leave
    the caches and are mapped anew by the system at each step, small ones gain from company.

    Raises UnusableInput when that device is not there.
    """
    prepare_libraries()
    import torch

    if device not in DEVICES:
        raise UnusableInput(f"The device '{device}' is not known; choose one of {', '.join(DEVICES)}.")
    there = {"cpu": True, "cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    if device == "auto":
        device = next(d for d in ("cuda", "mps", "cpu") if there[d])
    if not there[device]:
        raise UnusableInput(f"This computer has no usable '{device}' device; choose 'auto' or 'cpu'.")
    return Runtime(device, _precision(device), batch or _batch(device, cpu_batch), cpu_batch)


def _batch(device: str, cpu_batch: int) -> int:
    """Slices at once: more than MAX_BATCH gain nothing."""
    import torch

    if device != "cuda":
        return cpu_batch
    free, _ = torch.cuda.mem_get_info()
    return int(min(MAX_BATCH, max(1, free // BYTES_PER_SLICE)))


def _precision(device: str) -> str:
    """Half precision where the hardware multiplies it faster; elsewhere it costs time or accuracy."""
    import torch

    if device == "cuda":
        return "bf16" if torch.cuda.is_bf16_supported(including_emulation=False) else "fp16"
    if device == "cpu" and getattr(torch.cpu, "_is_avx512_bf16_supported", bool)():
        return "bf16"
    return "fp32"


def with_fallback(work: Callable[[Runtime], object], runtime: Runtime, warn: Callable[[str], None] = log.warning):
    """work(runtime), again with half the batch and at last on the CPU whenever the GPU (CUDA or MPS) lacks memory.

    Returns the result and the runtime that gave it. Everything else that work raises passes through.
    """
    import torch

    while True:
        try:
            return work(runtime), runtime
        except (torch.OutOfMemoryError, RuntimeError) as error:
            if runtime.device == "cpu" or not is_out_of_memory(error):
                raise
        # outside the handler, so that the failed attempt's tensors are free before the next one
        getattr(torch, runtime.device).empty_cache()
        if runtime.batch > 1:
            runtime = replace(runtime, batch=runtime.batch // 2)
            warn(f"The GPU ran out of memory; trying again with {runtime.batch} slices at once.")
        else:
            runtime = replace(runtime, device="cpu", precision=_precision("cpu"), batch=runtime.cpu_batch)
            warn("The GPU ran out of memory; going on with the CPU.")


def is_out_of_memory(error: BaseException) -> bool:
    """Whether a GPU ran out of memory. CUDA has an error of its own for that, MPS a RuntimeError with these words."""
    import torch

    return isinstance(error, torch.OutOfMemoryError) or (
        isinstance(error, RuntimeError) and "MPS backend out of memory" in str(error)
    )
