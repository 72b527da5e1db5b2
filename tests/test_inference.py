"""What surrounds the network: batches, short memory, devices, stages that wait for each other."""

import multiprocessing
import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch
from pssrflow.errors import InputError
from pssrflow.networks.bicubic import Bicubic
from pssrflow.networks.ensemble import Ensemble
from pssrflow.networks.footprint import bytes_per_pixel
from pssrflow.networks.registry import build
from pssrflow.predict.inference import Inference
from pssrflow.predict.pipeline import ahead, batched, steps
from pssrflow.predict.tiles import Cutting
from pssrflow.run.locks import one_of

CPU = torch.device("cpu")


class Small(Bicubic):
    """A network on a device that holds no more than `most` tiles at once."""

    def __init__(self, scale, most, error=torch.OutOfMemoryError):
        super().__init__(scale)
        self.most, self.error, self.seen = most, error, []

    def forward(self, images):
        self.seen.append(len(images))
        if len(images) > self.most:
            raise self.error("CUDA out of memory. Tried to allocate 2.00 GiB")
        return super().forward(images)


@pytest.mark.parametrize("error", [torch.OutOfMemoryError, RuntimeError])
def test_a_batch_is_halved_when_memory_is_short_and_nothing_is_lost(error, rng):
    images = [rng.random((6, 7), np.float32) for _ in range(11)]
    network = Small(2, 3, error)
    inference = Inference(network, CPU, "32", batch=8)
    made = inference(images)
    assert inference.batch == 2 and network.seen == [8, 4, 2, 2, 2, 2, 2, 1]
    expected = [Inference(Bicubic(2), CPU, "32")([image])[0]["sr"] for image in images]
    np.testing.assert_allclose([m["sr"] for m in made], expected, atol=1e-6)
    # It remembers.
    inference(images[:4])
    assert network.seen[-2:] == [2, 2]


def test_a_tile_that_alone_is_too_large_is_said_in_the_terms_of_the_configuration(rng):
    with pytest.raises(InputError, match=r"predict\.tile: a tile does not fit.*out of memory"):
        Inference(Small(2, 0), CPU, "32", batch=4)([rng.random((6, 7), np.float32)] * 4)


def test_other_errors_of_a_network_are_not_taken_for_short_memory(rng):
    class Wrong(Bicubic):
        def forward(self, images):
            raise RuntimeError("expected 3 channels")

    with pytest.raises(RuntimeError, match="expected 3 channels"):
        Inference(Wrong(2), CPU, "32", batch=4)([rng.random((6, 7), np.float32)])


def test_an_ensemble_gives_the_mean_of_its_members_and_how_they_differ(rng):
    torch.manual_seed(0)
    members = [build("unet", 2, widths=[8], blocks=1), Bicubic(2)]
    torch.nn.init.normal_(members[0].tail.weight, std=0.05)
    image = rng.random((9, 10), np.float32)
    inference = Inference(Ensemble(2, members), CPU, "32")
    [made] = inference([image])
    one, two = (Inference(m, CPU, "32")([image])[0]["sr"] for m in members)
    np.testing.assert_allclose(made["sr"], (one + two) / 2, atol=1e-6)
    np.testing.assert_allclose(made["std"], np.abs(one - two) / 2, atol=1e-6)
    with torch.inference_mode():
        whole = inference.network(torch.from_numpy(image)[None, None])[0, 0].numpy()
    np.testing.assert_allclose(whole, made["sr"], atol=1e-6)


def test_memory_of_a_network_is_that_of_the_tensors_it_holds_at_once():
    class Two(torch.nn.Module):
        stride, scale = 1, 1

        def forward(self, images):
            wide = images.expand(-1, 10, -1, -1) * 2
            wide = wide + 1
            return wide.sum(1, keepdim=True)

    # Ten channels before and after the addition, 4 bytes each; a view has none of its own.
    assert bytes_per_pixel(Two()) == pytest.approx(2 * 10 * 4 * 1.25, rel=0.1)


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
    work = list(steps(cutting, dict(enumerate(cutting.blocks((1, 1))))))
    batches = list(batched(iter(work), 3))
    assert [step for batch in batches for step in batch] == work
    assert all(len({step.size for step in batch}) == 1 and len(batch) <= 3 for batch in batches)
    assert max(map(len, batches)) > 1


def _hold(names, folder, got, release):
    import tempfile

    tempfile.tempdir = folder
    with one_of(names, every=0.01) as index:
        got.put(index)
        release.wait(20)


def test_jobs_side_by_side_get_a_device_each_and_the_next_one_waits(tmp_path):
    spawn = multiprocessing.get_context("spawn")
    got, releases = spawn.Queue(), [spawn.Event() for _ in range(3)]
    arguments = [(["gpu-a", "gpu-b"], str(tmp_path), got, release) for release in releases]
    jobs = [spawn.Process(target=_hold, args=given) for given in arguments]
    for job in jobs[:2]:
        job.start()
    first = {got.get(timeout=30), got.get(timeout=30)}
    jobs[2].start()
    jobs[2].join(timeout=1.5)
    assert first == {0, 1} and got.empty()
    # A killed job leaves its device to the next one.
    jobs[0].kill()
    assert got.get(timeout=30) in first
    for job, release in zip(jobs[1:], releases[1:]):
        release.set()
        job.join(timeout=30)
