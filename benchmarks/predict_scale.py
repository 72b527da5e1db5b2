"""Predict at scale: seams, speed, memory, cuts, kills and many parts.

Each figure is a subcommand and prints one table; `all` prints all of them. Fields are simulated
tissue, repeated where they are large. Every timing is taken in turns with what it is compared with.
"""

import argparse
import json
import os
import random
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
import yaml
from machine import heading
from pssrflow.devices import DTYPES, best_device, best_precision
from pssrflow.finish import finish
from pssrflow.intensity import Histogram, Intensity
from pssrflow.jobs import job
from pssrflow.microscope import Microscope, field
from pssrflow.networks import build, load_weights, save_weights
from pssrflow.prediction.stage import finalise, initialise, run_part
from pssrflow.store import Volume, create, open_level, read_volume, write_shard

ROOT = Path(__file__).parents[1]
CHUNK, SHARD = (1, 256, 256), (1, 2048, 2048)
SETTINGS = {
    "tile": "auto",
    "halo": "auto",
    "memory": 4000,
    "blend": "none",
    "overlap": 32,
    "self_ensemble": False,
    "empty": None,
}
