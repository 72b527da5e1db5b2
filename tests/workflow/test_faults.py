"""What a machine does to a run: kills at any moment, full disks, vanished files."""

import os
import random
import re
import signal
import subprocess

import pytest
from runs import TINY, command, contents, environment, prepare, run

pytestmark = pytest.mark.slow
KILLS = 10


@pytest.fixture(scope="module")
def undisturbed(finished):
    """Content hashes of a run that nobody disturbed."""
    return contents(finished)


def killed_after(folder, seconds, whole_group):
    """Start the run and kill it, alone or with all its jobs; True if it had ended before."""
    process = subprocess.Popen(
        command(),
        cwd=folder,
        env=environment(),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        process.wait(timeout=seconds)
        return True
    except subprocess.TimeoutExpired:
        if whole_group:
            os.killpg(process.pid, signal.SIGKILL)
        else:
            process.kill()
        process.wait()
        return False


def test_ten_kills_at_random_moments_change_no_byte(undisturbed, tmp_path):
    prepare(tmp_path)
    moments = random.Random(os.environ.get("PSSRFLOW_KILL_SEED", "0"))
    kills = 0
    for number in range(10 * KILLS):
        seconds = moments.uniform(1, 15)
        print(f"kill {kills + 1} after {seconds:.1f} s", flush=True)
        kills += not killed_after(tmp_path, seconds, whole_group=number % 2)
        if kills == KILLS:
            break
    run(tmp_path)
    assert contents(tmp_path) == undisturbed
    assert "Nothing to be done" in run(tmp_path)


def test_kills_during_a_rerun_leave_nothing_stale(tmp_path):
    changed = TINY | {"train": TINY["train"] | {"max_steps": 25}}
    (tmp_path / "calm").mkdir()
    prepare(tmp_path / "calm", changed)
    run(tmp_path / "calm")
    (tmp_path / "killed").mkdir()
    prepare(tmp_path / "killed")
    run(tmp_path / "killed")
    prepare(tmp_path / "killed", changed)
    moments = random.Random(os.environ.get("PSSRFLOW_KILL_SEED", "1"))
    for number in range(6):
        # Orphans of every second kill live on beside the next run.
        killed_after(tmp_path / "killed", moments.uniform(6, 18), whole_group=number % 2)
    run(tmp_path / "killed")
    assert contents(tmp_path / "killed") == contents(tmp_path / "calm")


def test_a_shard_that_is_gone_when_a_prediction_is_finished_is_made_again(undisturbed, tmp_path):
    prepare(tmp_path)
    run(tmp_path, "results/survey/tiny/sr.parts/0.json")
    shard = tmp_path / "results/survey/tiny/sr.ome.zarr/0/c/0/0/0/0/0"
    shard.unlink()
    output = run(tmp_path, "predict", check=False)
    assert "sr.ome.zarr/0 at t,c,z,y,x = (0, 0, 0, 0, 0)" in output and "Traceback" not in output
    assert "the same command once more, which makes it again in part 0" in output
    run(tmp_path, "predict")
    assert shard.is_file() and contents(tmp_path).items() <= undisturbed.items()


@pytest.fixture
def small_disk(tmp_path):
    """Function that mounts a disk of some kilobytes, or changes the size of the one mounted."""
    if os.geteuid():
        pytest.skip("mounting a small disk needs root")
    disk = tmp_path / "disk"
    disk.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=200m", "tmpfs", str(disk)], check=True)

    def resize(options):
        subprocess.run(["mount", "-o", f"remount,{options}", str(disk)], check=True)
        return disk

    yield resize
    subprocess.run(["umount", "--lazy", str(disk)], check=True)


def test_a_full_disk_gives_one_clear_error_and_the_run_goes_on(undisturbed, small_disk):
    disk = small_disk("size=600k")
    prepare(disk)
    output = run(disk, "ingest", check=False)
    # In a shard, or in a file beside the store.
    said = r"results/\S+: (this shard cannot be written \()?No space left on device"
    assert re.search(said, output) and "Traceback" not in output
    small_disk("size=200m")
    run(disk, "ingest", "crappify")
    assert contents(disk).items() <= undisturbed.items()


def test_a_prediction_goes_on_after_a_full_and_a_protected_disk(undisturbed, small_disk, tmp_path):
    disk = small_disk("size=200m")
    prepare(tmp_path, TINY | {"stores": str(disk)})
    run(tmp_path, "train", "crappify", "results/survey/tiny/sr.plan.json")
    used = sum(path.stat().st_blocks * 512 for path in disk.rglob("*")) // 1024
    for options, said in (
        (f"size={used + 40}k", "No space left on device"),
        ("size=200m,ro", "Read-only file system"),
    ):
        small_disk(options)
        output = run(tmp_path, "predict", check=False)
        assert said in output and "Traceback" not in output
    small_disk("rw")
    run(tmp_path, "predict")
    assert contents(tmp_path).items() <= undisturbed.items()


def test_an_input_that_vanishes_is_named(undisturbed, tmp_path):
    prepare(tmp_path)
    run(tmp_path, "results/survey/tiny/sr.plan.json")
    lr = tmp_path / "results/survey/lr.ome.zarr"
    lr.rename(tmp_path / "away")
    output = run(tmp_path, "results/survey/tiny/sr.done.json", check=False)
    assert "survey/lr.ome.zarr" in output and "Traceback" not in output
    (tmp_path / "away").rename(lr)
    run(tmp_path, "predict")
    assert contents(tmp_path).items() <= undisturbed.items()
