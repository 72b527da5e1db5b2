"""Jobs side by side get a device each."""

import multiprocessing

from pssrflow.run.locks import one_of


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
