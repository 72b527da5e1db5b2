"""What jobs ask for, and into how many of them volumes are cut."""

import numpy as np
import pytest
from pssrflow.config.rule_params import Rules
from pssrflow.config.samples import read_rows
from pssrflow.config.settings import Settings
from pssrflow.config.submitted import Names, submitted
from pssrflow.run.files import write_json

HUGE = {"content": "x", "shape": [1, 1, 8000, 30_000, 30_000], "dtype": "uint16"}


@pytest.fixture
def make_run(tmp_path, monkeypatch, write_tiff):
    """Function that reads configuration and sheet of a run with one test row."""
    monkeypatch.chdir(tmp_path)
    write_tiff("train.tif", np.eye(64, dtype=np.uint8))
    write_tiff("test.tif", np.eye(512, 640, dtype=np.uint8))
    rows = "sample\trole\tpath\na\ttrain\ttrain.tif\nb\ttest\ttest.tif\n"
    (tmp_path / "samples.tsv").write_text(rows)

    def made(cores=None, main=True, **keys):
        settings = Settings.parse({"samples": "samples.tsv", **keys}, "")
        return Rules(settings, read_rows(settings), cores, main)

    return made


def huge(run):
    """As if the HR image of the test row were larger than any machine's memory."""
    write_json(run.layout.image_done("b/hr"), HUGE | {"pixel_size_um": [None] * 3})
    return run


def rules(run):
    return {row["rule"]: row for row in submitted(run)}


def test_a_volume_of_one_block_is_one_job_of_each_stage(make_run):
    jobs = {rule: row["jobs"] for rule, row in rules(make_run()).items()}
    assert jobs["predict_volume"] == 1 and jobs["evaluate_prediction"] == 1
    assert jobs["ingest_acquisition"] == 2 and jobs["crappify_acquisition"] == 2
    assert not any(rule.endswith(("_init", "_part")) for rule in jobs)


def test_parts_last_as_long_as_is_asked(make_run):
    table = rules(huge(make_run(jobs={"minutes": 60})))
    assert all(table[f"{stage}_part"]["jobs"] > 10 for stage in ("crappify", "predict", "evaluate"))
    for stage in ("crappify", "predict"):
        row = table[f"{stage}_part"]
        # Some time is spare.
        assert 60 <= row["minutes"] <= 1.5 * 60
    shorter = rules(huge(make_run(jobs={"minutes": 30})))
    assert shorter["predict_part"]["jobs"] == pytest.approx(
        2 * table["predict_part"]["jobs"], rel=0.01
    )


def test_a_retry_has_more_memory_and_time(make_run):
    run = make_run()
    named = Names(sample="b", model="default")
    for job in ("predict", "evaluate"):
        first = [asked(named, 2, 1) for asked in (run.demand.memory(job), run.demand.minutes(job))]
        again = [asked(named, 2, 2) for asked in (run.demand.memory(job), run.demand.minutes(job))]
        assert again == [2 * value for value in first]


def test_memory_follows_the_size_until_blocks_bound_it(make_run):
    small = rules(make_run())["predict_volume"]["mb"]
    large = rules(huge(make_run(ingest={"parts": 1}, predict={"parts": 1})))["predict_volume"]["mb"]
    assert small < large < 4000 + 1000


def test_cores_of_this_machine_hold_on_this_machine_alone(make_run):
    assert rules(make_run(cores=64))["train_model"]["threads"] == 64
    assert rules(make_run())["train_model"]["threads"] == 8


def test_what_is_begun_is_finished_in_the_jobs_that_it_was_begun_in(make_run):
    run = huge(make_run())
    named = Names(draw="b/lr")
    count = len(run.parts.image_markers(named))
    assert count > 10
    write_json(run.layout.image_begun("b/lr"), {"of": 3})
    for other in (make_run(main=True), make_run(main=False)):
        assert len(other.parts.image_markers(named)) == 3
        assert other.parts.begun_image(named) == 3


def test_a_job_finds_on_the_disk_what_the_run_has_planned(make_run):
    run = huge(make_run(main=False))
    # None has begun it: the job makes it all. The job that begins it is asked for as many.
    assert run.parts.image_markers(Names(draw="b/lr")) == []
    assert run.parts.begun_image(Names(draw="b/lr")) > 10


def test_a_finished_image_stays_one_whatever_is_asked_for_now(make_run):
    run = make_run(ingest={"parts": 5})
    named = Names(image="b/hr")
    assert len(run.parts.image_markers(named)) == 5
    huge(run)
    assert make_run(ingest={"parts": 5}).parts.image_markers(named) == []


def test_a_region_is_cut_by_its_own_size(make_run, tmp_path, write_tiff):
    rows = (tmp_path / "samples.tsv").read_text() + "c\tpredict\ttest.tif\n"
    (tmp_path / "samples.tsv").write_text(rows)
    keys = {"jobs": {"minutes": 1, "predict": 0.001}}
    whole, some = make_run(**keys), make_run(predict={"roi": "0:64, 0:64"}, **keys)
    counts = [run.parts.asked_of_prediction("c", "default") for run in (whole, some)]
    assert counts == [4, 1]


def test_a_file_that_cannot_be_read_still_has_a_job_that_says_so(make_run, tmp_path):
    (tmp_path / "test.tif").write_bytes(b"no image")
    assert rules(make_run())["ingest_acquisition"]["mb"] > 0
