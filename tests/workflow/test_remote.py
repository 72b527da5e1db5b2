"""Stores on a server: read, written, resumed and refused as those in folders are."""

import os
import signal
import subprocess

import numpy as np
import pytest
import zarr
from pssrflow.errors import InputError
from pssrflow.run.files import read_made
from pssrflow.run.remote import storage_options
from pssrflow.volumes.done import finish
from pssrflow.volumes.store import Store, digest, write_shard
from runs import TINY, command, contents, environment, prepare, run
from s3 import server

BUCKET = "pssrflow-test"


@pytest.fixture(scope="module")
def unreliable():
    """A server that fails every thirtieth request."""
    with pytest.MonkeyPatch.context() as patch, server(BUCKET, every=30) as (variables, running):
        for name, value in variables.items():
            patch.setenv(name, value)
        yield running


@pytest.fixture
def bucket(unreliable, tmp_path):
    """A place on the server for one test."""
    return f"s3://{BUCKET}/{tmp_path.name}"


@pytest.fixture
def local(make_store, tissue):
    return make_store(tissue((1, 1, 2, 300, 200)))


def copied(local, uri, done):
    """Write the pixels of a local store to a URI, shard by shard."""
    volume, pixels = Store(local).volume, Store(local).level()
    Store(uri).create(volume)
    array = Store(uri).level(mode="r+")
    digests = {r: write_shard(array, r, pixels[r.slices]) for r in volume.shards()}
    finish(Store(uri), done, digests, 2)


def test_a_store_on_an_unreliable_server_equals_one_in_a_folder(
    unreliable, bucket, local, tmp_path
):
    uri = f"{bucket}/a/hr.ome.zarr"
    copied(local, uri, tmp_path / "remote.json")
    assert unreliable.failed
    assert Store(uri).volume == Store(local).volume
    for level in range(len(Store(local).volume.level_shapes())):
        np.testing.assert_array_equal(Store(uri).level(level)[:], Store(local).level(level)[:])
    part = Store(uri).reader()((0, 0, 1), slice(100, 180), slice(3, 150))
    np.testing.assert_array_equal(part, Store(local).level()[0, 0, 1, 100:180, 3:150])
    # What is made of it is the same, and says so.
    assert read_made(tmp_path / "remote.json") == read_made(tmp_path / "hr.done.json")


def test_an_earlier_store_is_replaced_but_nothing_of_anybody_else(bucket, local, tmp_path):
    uri = f"{bucket}/a/hr.ome.zarr"
    copied(local, uri, tmp_path / "remote.json")
    copied(local, uri, tmp_path / "remote.json")
    foreign = f"{bucket}/b/hr.ome.zarr"
    zarr.open_group(foreign, mode="w", storage_options=storage_options(foreign))
    with pytest.raises(InputError, match="something that PSSRflow did not write"):
        Store(foreign).create(Store(local).volume)


def test_a_damaged_shard_on_a_server_is_named(bucket, local, tmp_path):
    uri = f"{bucket}/a/hr.ome.zarr"
    copied(local, uri, tmp_path / "remote.json")
    from pssrflow.volumes.store import Store, write_shard

    array = Store(uri).level(mode="r+")
    digests = {r: digest(array[r.slices]) for r in Store(uri).volume.shards()}
    region = Store(uri).volume.shards()[3]
    write_shard(array, region, np.zeros(region.shape, np.uint8))
    with pytest.raises(InputError, match=rf"t,c,z,y,x = \({', '.join(map(str, region.start))}\)"):
        finish(Store(uri), tmp_path / "again.json", digests, 1)
    assert not (tmp_path / "again.json").exists()


@pytest.mark.slow
def test_a_run_on_a_server_is_killed_and_resumed_and_ends_as_in_folders(tmp_path):
    (tmp_path / "folder").mkdir()
    prepare(tmp_path / "folder")
    run(tmp_path / "folder", "predict")
    with server(BUCKET, every=30) as (variables, application):
        remote = tmp_path / "remote"
        remote.mkdir()
        prepare(remote, TINY | {"stores": f"s3://{BUCKET}/run"})
        for seconds in (12, 18):
            process = subprocess.Popen(
                command("predict"),
                cwd=remote,
                env=environment() | variables,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                start_new_session=True,
            )
            try:
                process.wait(timeout=seconds)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
        run(remote, "predict", env=variables)
        assert application.failed
    assert contents(remote) == contents(tmp_path / "folder")
    assert not list((remote / "results").rglob("*.ome.zarr"))
