"""Devices, precision, and what happens when memory runs out."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from LesionKitLib.models import inference
from LesionKitLib.models.inference import Runtime, choose_runtime, with_fallback
from LesionKitLib.run.errors import UnusableInput


@pytest.fixture
def no_gpu(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)


@pytest.fixture
def a_gpu(monkeypatch):
    """A CUDA device that says it has 4 GB free and multiplies bf16 faster."""
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda: (4 * 2**30, 8 * 2**30))
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation=True: True)


def failing(times: int, seen: list[Runtime]):
    """Work that runs out of memory that often, then answers "done"."""

    def work(runtime: Runtime) -> str:
        seen.append(runtime)
        if len(seen) <= times:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return "done"

    return work


def test_auto_takes_the_cpu_where_there_is_nothing_else(no_gpu):
    runtime = choose_runtime("auto")
    assert runtime.device == "cpu" and runtime.batch == inference.CPU_BATCH
    assert runtime.description.startswith("CPU, ")


def test_auto_prefers_the_gpu(a_gpu):
    runtime = choose_runtime("auto")
    assert (runtime.device, runtime.precision) == ("cuda", "bf16")


def test_a_gpu_without_fast_bf16_takes_fp16(a_gpu, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation=True: including_emulation)
    assert choose_runtime("cuda").precision == "fp16"


@pytest.mark.parametrize(("free", "least", "most"), [(0, 1, 1), (2**30, 1, 8), (80 * 2**30, 16, inference.MAX_BATCH)])
def test_the_batch_follows_the_gpus_free_memory(a_gpu, monkeypatch, free, least, most):
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda: (free, 80 * 2**30))
    assert least <= choose_runtime("cuda").batch <= most


def test_a_given_batch_is_taken(no_gpu):
    assert choose_runtime("cpu", 3).batch == 3


def test_a_network_says_how_many_slices_a_cpu_takes_at_once(no_gpu):
    assert choose_runtime("cpu", cpu_batch=2).batch == 2


def test_a_gpu_takes_what_its_memory_allows_and_leaves_the_networks_batch_to_the_cpu(a_gpu):
    runtime = choose_runtime("cuda", cpu_batch=2)
    assert runtime.batch > 2
    _, fallen_back = with_fallback(failing(1, []), replace(runtime, batch=1), lambda text: None)
    assert (fallen_back.device, fallen_back.batch) == ("cpu", 2)


@pytest.mark.parametrize("device", ["cuda", "mps"])
def test_a_device_that_is_not_there_is_refused_with_a_sentence(no_gpu, device):
    with pytest.raises(UnusableInput, match=f"no usable '{device}' device; choose 'auto' or 'cpu'[.]$"):
        choose_runtime(device)


def test_an_unknown_device_is_refused_with_the_known_ones():
    with pytest.raises(UnusableInput, match="auto, cpu, cuda, mps"):
        choose_runtime("tpu")


@pytest.mark.parametrize(("precision", "dtype"), [("fp32", torch.float32), ("bf16", torch.bfloat16)])
def test_networks_compute_in_the_runtimes_precision(precision, dtype):
    with Runtime("cpu", precision).autocast():
        assert torch.nn.Linear(2, 2)(torch.ones(1, 2)).dtype == dtype


def test_out_of_memory_halves_the_batch_and_ends_on_the_cpu():
    seen, notes = [], []
    result, runtime = with_fallback(failing(4, seen), Runtime("cuda", "fp16", 8), notes.append)
    assert result == "done" and runtime == seen[-1]
    assert [(r.device, r.batch) for r in seen[:4]] == [("cuda", 8), ("cuda", 4), ("cuda", 2), ("cuda", 1)]
    assert (runtime.device, runtime.batch) == ("cpu", Runtime("cpu").batch) and runtime.precision != "fp16"
    assert len(notes) == 4 and "CPU" in notes[-1] and all(note.endswith(".") for note in notes)


def test_enough_memory_at_half_the_batch_stays_on_the_gpu():
    seen, notes = [], []
    _, runtime = with_fallback(failing(1, seen), Runtime("cuda", "fp16", 8), notes.append)
    assert (runtime.device, runtime.precision, runtime.batch) == ("cuda", "fp16", 4)
    assert notes == ["The GPU ran out of memory; trying again with 4 slices at once."]


def test_a_cpu_out_of_memory_is_not_tried_again():
    seen = []
    with pytest.raises(torch.OutOfMemoryError):
        with_fallback(failing(9, seen), Runtime("cpu"), lambda text: None)
    assert len(seen) == 1


def test_mps_that_runs_out_of_memory_falls_back_to_the_cpu(monkeypatch):
    """PyTorch has no error class for it there, only these words in a RuntimeError."""
    emptied, seen = [], []
    monkeypatch.setattr(torch.mps, "empty_cache", lambda: emptied.append(True))

    def work(runtime):
        seen.append(runtime)
        if runtime.device == "mps":
            raise RuntimeError("MPS backend out of memory (MPS allocated: 8.4 GB, other allocations: 9.1 GB).")
        return "done"

    result, runtime = with_fallback(work, Runtime("mps", "fp32", 2), lambda text: None)
    assert result == "done" and runtime.device == "cpu"
    assert [(r.device, r.batch) for r in seen[:2]] == [("mps", 2), ("mps", 1)] and len(emptied) == 2


@pytest.mark.parametrize("device", ["mps", "cuda"])
def test_another_runtime_error_of_a_gpu_passes_through(device):
    def work(runtime):
        raise RuntimeError("sizes do not match")

    with pytest.raises(RuntimeError, match="sizes do not match"):
        with_fallback(work, Runtime(device, "fp32", 8), lambda text: None)


def test_other_errors_pass_through():
    def work(runtime):
        raise KeyError("a bug")

    with pytest.raises(KeyError, match="a bug"):
        with_fallback(work, Runtime("cuda", "fp16", 8), lambda text: None)
