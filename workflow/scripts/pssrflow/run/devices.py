"""Which device computes, and in which precision."""

import contextlib
from collections.abc import Iterator

import torch

from pssrflow.run.locks import one_of

DTYPES = {"bf16": torch.bfloat16, "16": torch.float16, "32": torch.float32}


def best_device() -> torch.device:
    """CUDA where there is one, else Apple's MPS, else the CPU."""
    if torch.cuda.is_available():
        return torch.device("cuda")
    return torch.device("mps" if torch.backends.mps.is_available() else "cpu")


def best_precision(device: torch.device) -> str:
    """Fastest precision that this device computes in hardware: a key of `DTYPES`."""
    if device.type == "cuda":
        return "bf16" if torch.cuda.is_bf16_supported(including_emulation=False) else "16"
    if device.type == "cpu":
        able = torch.cpu.get_capabilities()
        return "bf16" if able.get("avx512_bf16") or able.get("amx_bf16") else "32"
    return "32"


@contextlib.contextmanager
def claimed_device() -> Iterator[torch.device]:
    """A device for this job: of several GPUs one that no other job of this user's has.

    Snakemake gives GPUs to nobody on a single machine, so each has a lock file; with more jobs
    than GPUs, jobs wait.
    """
    device = best_device()
    if device.type != "cuda":
        yield device
        return
    names = [
        str(torch.cuda.get_device_properties(i).uuid) for i in range(torch.cuda.device_count())
    ]
    with one_of(names) as index:
        yield torch.device("cuda", index)
