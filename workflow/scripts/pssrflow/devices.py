"""Which device computes, and in which precision."""

import torch

DTYPES = {"bf16": torch.bfloat16, "16": torch.float16, "32": torch.float32}


def best_device():
    """CUDA where there is one, else Apple's MPS, else the CPU."""
    if torch.cuda.is_available():
        return torch.device("cuda")
    return torch.device("mps" if torch.backends.mps.is_available() else "cpu")


def best_precision(device):
    """Fastest precision that this device computes in hardware: a key of `DTYPES`."""
    if device.type == "cuda":
        return "bf16" if torch.cuda.is_bf16_supported(including_emulation=False) else "16"
    if device.type == "cpu":
        able = torch.cpu.get_capabilities()
        return "bf16" if able.get("avx512_bf16") or able.get("amx_bf16") else "32"
    return "32"
