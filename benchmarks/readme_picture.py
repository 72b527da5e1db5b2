"""The README's picture: a crop of the demo's test field. Run after `make demo`."""

import numpy as np
import yaml
from machine import ROOT
from PIL import Image
from pssrflow.keys import load_schema, with_defaults
from pssrflow.report.comparison import Seen

GAP = 6

if __name__ == "__main__":
    schema = load_schema(ROOT / "workflow/schemas/config.schema.yaml")
    config = with_defaults(yaml.safe_load((ROOT / "config.yaml").read_text()), schema)
    row = {"sample": "test-field", "role": "test", "paired": False}
    view = Seen.open(str(ROOT / "results"), row, "default", config)
    images = view.images(*view.interesting())
    images["LR"] = images["LR"].repeat(view.scale, 0).repeat(view.scale, 1)
    low, high = np.percentile(images["HR"], (0.5, 99.5))
    panels = [
        np.clip((i - low) / (high - low) * 255, 0, 255).astype(np.uint8) for i in images.values()
    ]
    gap = np.full((len(panels[0]), GAP), 255, np.uint8)
    row = np.hstack([part for panel in panels for part in (panel, gap)][:-1])
    (ROOT / "docs").mkdir(exist_ok=True)
    Image.fromarray(row).save(ROOT / "docs" / "demo.png", optimize=True)
