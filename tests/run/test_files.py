"""Files and folders that a path of the sample sheet names."""

import pytest
from pssrflow.run.files import input_paths


@pytest.mark.parametrize("name", ["run[1]", "run?", "a*b", "[ab]", "run{1}"])
def test_a_folder_whose_name_looks_like_a_pattern_is_that_folder(name, tmp_path):
    for folder in (name, "run1", "runx", "aab", "a"):
        (tmp_path / folder / "deep").mkdir(parents=True)
        for file in ("s_1.tif", "deep/s_2.tif"):
            (tmp_path / folder / file).write_bytes(b"")
    below = tmp_path / name
    assert input_paths(f"{below}/*.tif") == [below / "s_1.tif"]
    assert input_paths(f"{below}/**/*.tif") == [below / "deep/s_2.tif", below / "s_1.tif"]
    assert input_paths(str(below)) == [below]


def test_a_pattern_matches_folders_too(tmp_path):
    for folder in ("run1", "run2", "other"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "s.tif").write_bytes(b"")
    found = [tmp_path / "run1/s.tif", tmp_path / "run2/s.tif"]
    assert input_paths(f"{tmp_path}/run?/*.tif") == found
