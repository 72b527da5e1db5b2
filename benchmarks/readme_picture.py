"""The README's picture: the demo's test field as its report shows it. Run after `make demo`."""

import base64
import sys
from pathlib import Path

import yaml
from machine import ROOT
from pssrflow.report import Seen, picture
from pssrflow.schemas import load_schema, with_defaults

if __name__ == "__main__":
    results = sys.argv[1] if len(sys.argv) > 1 else "results"
    schema = load_schema(ROOT / "workflow/schemas/config.schema.yaml")
    config = with_defaults(yaml.safe_load((ROOT / "config.yaml").read_text()), schema)
    view = Seen.open(
        results, {"sample": "test-field", "role": "test", "paired": False}, "default", config
    )
    target = ROOT / "docs" / "demo.png"
    target.parent.mkdir(exist_ok=True)
    Path(target).write_bytes(base64.b64decode(picture(view)["overview"]))
