"""Stages that wait for each other: in order, not too far ahead, and they end together."""

import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from pssrflow.errors import InputError
from pssrflow.models.input import Input
from pssrflow.networks.frames import Frames
from pssrflow.predict.loader import TileLoader
from pssrflow.predict.order import placed_tiles
from pssrflow.predict.pipeline import ahead, batched
from pssrflow.predict.tiles import Cutting
from pssrflow.volumes.blocks import Region


def test_results_come_in_order_and_few_are_made_before_they_are_wanted():
    started, release = [], threading.Event()

    def work(item):
        started.append(item)
        release.wait(10 if item == 0 else 0)
        return item * item

    def items():
        for item in range(20):
            # Never more than two waiting, and the one that is handed in.
            assert item - len(taken) <= 3
            yield item

    taken = []
    with ThreadPoolExecutor(4) as pool:
        results = ahead(pool, work, items(), 2)
        release.set()
        taken.extend(results)
    assert taken == [i * i for i in range(20)]


def test_an_error_in_one_stage_ends_the_others():
    def work(item):
        if item == 3:
            raise InputError("place", "found")
        return item

    with ThreadPoolExecutor(2) as pool, pytest.raises(InputError, match="place"):
        list(ahead(pool, work, iter(range(1000)), 2))


def test_tiles_of_a_batch_read_equally_many_pixels_and_stay_in_order():
    cutting = Cutting((50, 70), (0, 0), (2, 100, 140), (1, 64, 64), 2, 1, 16, 3)
    work = list(placed_tiles(cutting, dict(enumerate(cutting.blocks((1, 1))))))
    batches = list(batched(iter(work), 3))
    assert [tile for batch in batches for tile in batch] == work
    assert all(len({tile.size for tile in batch}) == 1 and len(batch) <= 3 for batch in batches)
    assert max(map(len, batches)) > 1


def test_tiles_are_loaded_from_their_depth_with_all_frames_that_make_a_plane(rng):
    volume = rng.integers(0, 255, (1, 1, 6, 20, 24)).astype(np.uint8)
    cutting = Cutting((20, 24), (0, 0), (2, 40, 48), (1, 64, 64), 2, 1, 32, 0)
    work = list(placed_tiles(cutting, dict(enumerate(cutting.blocks((1, 1))))))
    windows = ((10.0, 60.0),)
    three, all_planes = Frames.model_validate({"in": 3}), Region((0,) * 5, volume.shape)
    for given, planes in ((Input(windows), slice(4, 5)), (Input(windows, three), slice(3, 6))):
        loader = TileLoader(
            lambda plane, *place: volume[(*plane, *place)], given, all_planes, depth=3
        )
        same, [_, (image, empty)] = loader.load(work)
        expected = (volume[0, 0, planes].astype(np.float32) - 10) / np.float32(50)
        np.testing.assert_array_equal(image, expected)
        assert same is work and not empty
