"""What weights say of themselves, read without building what they name."""

import json

from safetensors import SafetensorError, safe_open


def saved_facts(path):
    """What PSSRflow saved with weights (safetensors); None where it is not PSSRflow's file."""
    try:
        with safe_open(path, "np") as stream:
            return json.loads((stream.metadata() or {}).get("pssrflow", "null"))
    except (SafetensorError, OSError, ValueError):
        return None


def safe_facts(data):
    """Facts in the header of safetensors, without building what they name; {} if there are none."""
    try:
        length = int.from_bytes(data[:8], "little")
        header = json.loads(data[8 : 8 + length])
        return dict(json.loads(header["__metadata__"]["pssrflow"]))
    except (ValueError, KeyError, TypeError):
        return {}
