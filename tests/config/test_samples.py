"""Sample sheet: checked row by row, refused with the line, the column and what is accepted."""

import itertools

import numpy as np
import pytest
import tifffile
import yaml
from hypothesis import given
from hypothesis import strategies as st
from pssrflow.config.check import check_config
from pssrflow.config.leaks import leaks, resolved
from pssrflow.config.samples import Row, read_rows
from pssrflow.errors import InputError
from pydantic import ValidationError


@pytest.fixture
def default(root):
    return yaml.safe_load((root / "config.yaml").read_text())


HEADER = "sample\trole\tpath\tlr_path\tcrop\n"


@pytest.fixture
def read(tmp_path, default):
    """Function that reads a sheet given as text."""

    def sheet(text):
        path = tmp_path / "samples.tsv"
        path.write_text(text)
        default["samples"] = str(path)
        rows = read_rows(check_config(default, "config.yaml"))
        return {row.sample: row for row in rows}

    return sheet


def test_a_good_sheet_is_read_with_every_column(read, tmp_path):
    (tmp_path / "a.tif").touch()
    table = read(
        f"{HEADER}a\ttrain\t{tmp_path}/a.tif\t\t\nb\ttest\tsimulate:pair-hr\tsimulate:pair-lr\t\n"
    )
    assert table["a"].lr_path is None and table["a"].axes is None
    assert list(table) == ["a", "b"]


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("../a\ttrain\tsimulate:survey\t\t", r'line 2, sample: found "\.\./a"'),
        ("..\ttrain\tsimulate:survey\t\t", r'line 2, sample: found "\.\."'),
        (
            "a b\ttrain\tsimulate:survey\t\t",
            r'line 2, sample: found "a b"\. Accepted: text that match',
        ),
        (
            "models\ttrain\tsimulate:survey\t\t",
            r"line 2, sample: 'models' is a name in the",
        ),
        (
            "a\tlearn\tsimulate:survey\t\t",
            r'line 2, role: found "learn"\. Accepted: train, test, pr',
        ),
        ("a\ttrain\t\t\t", r"line 2, row: 'path' is a required"),
        ("a\ttrain\tnowhere.tif\t\t", r"line 2, path: nothing at 'nowhere\.tif' \(looked in"),
        ("a\ttrain\tno/*.tif\t\t", r"line 2, path: nothing at 'no/\*\.tif'"),
        (
            "a\ttrain\tsimulate:survy\t\t",
            r"no simulated acquisition 'survy'.*did you mean 'survey'",
        ),
        ("a\tpredict\tsimulate:survey\tsimulate:pair-lr\t", r"line 2, lr_path: a predict row"),
        ("a\ttrain\tsimulate:survey\t\tfoo", r"line 2, crop: 'foo' has 1 range"),
        (".a\ttrain\tsimulate:survey\t\t", r'line 2, sample: found "\.a"'),
        (
            "Models\ttrain\tsimulate:survey\t\t",
            r"line 2, sample: 'Models' is a name in the",
        ),
        ("report.html\ttrain\tsimulate:survey\t\t", r"'report\.html' is a name in the results"),
        ("provenance.json\ttrain\tsimulate:survey\t\t", r"sample: 'provenance\.json' is a name"),
        (f"{'n' * 101}\ttrain\tsimulate:survey\t\t", r"a text of 100 characters or less"),
        ("a\ttrain\tfile:///data/a.tif\t\t", r"path: 'file:///data/a\.tif' is the URI of a file"),
        ("a\ttrain\tresults/b/hr.ome.zarr\t\t", r"line 2, path: nothing at|lies in the results"),
        (f"a\ttrain\t{'n' * 300}\t\t", r"line 2, path: nothing at"),
    ],
)
def test_a_wrong_row_is_named_with_its_line_and_column(row, message, read):
    with pytest.raises(InputError, match=message) as caught:
        read(f"{HEADER}{row}\n")
    assert "samples.tsv" in str(caught.value)


def test_weights_belong_to_rows_that_are_learnt_from(read):
    rows = "a\ttrain\tsimulate:survey\t{0}\nb\ttest\tsimulate:pair-hr\t{1}\n"
    header = "sample\trole\tpath\tweight_path\n"
    table = read(header + rows.format("simulate:pair-hr", ""))
    assert table["a"].weight_path == "simulate:pair-hr"
    with pytest.raises(InputError, match="line 3, weight_path: a test row is not learnt from"):
        read(header + rows.format("", "simulate:pair-hr"))
    with pytest.raises(InputError, match=r"line 2, weight_path: nothing at 'gone\.tif'"):
        read(header + rows.format("gone.tif", ""))


@pytest.mark.parametrize(
    ("role", "hr2", "counts", "said"),
    [
        ("predict", "", "1", "counts: a predict row has no truth"),
        ("predict", "simulate:pair-hr", "", "hr2_path: a predict row has no truth"),
        ("test", "simulate:pair-hr", "1", "counts: a second scan tells the noise already"),
        ("test", "", "0", r"counts: '0' is not what a count is\. Accepted: grey levels of one"),
        ("trust", "", "1;2", "counts: '1;2' is not what a count is"),
    ],
)
def test_what_tells_the_noise_of_a_row_is_one_thing(role, hr2, counts, said, read):
    header = "sample\trole\tpath\thr2_path\tcounts\n"
    with pytest.raises(InputError, match=f"line 2, {said}"):
        read(f"{header}a\t{role}\tsimulate:survey\t{hr2}\t{counts}\n")


def test_a_row_of_counts_is_two_scans_only_where_it_is_judged(read):
    header = "sample\trole\tpath\tcounts\n"
    names = ("train", "test", "trust")
    places = ("survey", "pair-hr", "pair-lr")
    rows = [f"{n}\t{n}\tsimulate:{place}\t2, 10\n" for n, place in zip(names, places)]
    table = read(header + "".join(rows))
    assert [table[n].scanned_twice for n in names] == [False, True, False]
    assert not any(table[n].repeated for n in names)


def test_duplicate_samples_are_refused_even_if_only_the_case_differs(read):
    rows = "a\ttrain\tsimulate:survey\t\t\nA\ttest\tsimulate:survey\t\t\n"
    with pytest.raises(InputError, match="lines 2, 3, sample: 'a' stands more than once"):
        read(HEADER + rows)


def test_unknown_and_missing_columns_are_refused(read):
    with pytest.raises(InputError, match=r"unknown column 'rolle'.*did you mean 'role'"):
        read("sample\trolle\tpath\n")
    with pytest.raises(InputError, match="no column 'path'"):
        read("sample\trole\n")


def test_an_empty_or_absent_sheet_is_refused(read, default):
    with pytest.raises(InputError, match="no rows"):
        read(HEADER)
    with pytest.raises(InputError, match="not a table"):
        read("")
    with pytest.raises(InputError, match="no such sample sheet"):
        read_rows(check_config(default | {"samples": "nowhere.tsv"}, "config.yaml"))


def test_a_path_inside_the_results_is_refused(read, tmp_path, default):
    store = tmp_path / "results" / "b"
    store.mkdir(parents=True)
    default["results"] = str(tmp_path / "results")
    with pytest.raises(InputError, match=r"line 2, path: .* lies in the results"):
        read(f"{HEADER}a\ttrain\t{store}\t\t\n")


def test_comments_blank_lines_and_trailing_tabs_keep_line_numbers_and_hashes_in_names(
    read, tmp_path
):
    (tmp_path / "field#3.tif").touch()
    table = read(f"# mine\n\n{HEADER}a\ttrain\t{tmp_path}/field#3.tif\t\t\t\t\n")
    assert table["a"].path.endswith("field#3.tif")
    with pytest.raises(InputError, match="line 5, role"):
        read(f"# mine\n\n{HEADER}a\ttrain\tsimulate:survey\nb\tlearn\tsimulate:survey\n")


SOURCE = "simulate:train-8bit"


@pytest.mark.parametrize(
    ("one", "two", "leaks"),
    [
        (f"a\ttrain\t{SOURCE}\t\t", f"b\ttest\t{SOURCE}\t\t", True),
        (f"a\ttrain\t{SOURCE}\t\t", f"b\ttrain\t{SOURCE}\t\t", True),
        (f"a\ttest\t{SOURCE}\t\t", f"b\ttest\t{SOURCE}\t\t", False),
        (f"a\ttrain\t{SOURCE}\t\t", f"b\tpredict\t{SOURCE}\t\t", False),
        (f"a\ttrain\t{SOURCE}\t\t0:9, 0:", f"b\ttest\t{SOURCE}\t\t9:, 0:", False),
        (f"a\ttrain\t{SOURCE}\t\t0:9, 0:", f"b\ttest\t{SOURCE}\t\t8:, 0:", True),
        (f"a\ttrain\t{SOURCE}\t\t0:2, :, :", f"b\ttest\t{SOURCE}\t\t2:3, :, :", False),
        (f"a\ttrain\t{SOURCE}\t\t", "b\ttest\tsimulate:test-field\t\t", False),
    ],
)
def test_rows_that_show_the_same_pixels_are_refused_if_one_is_trained_on(
    one, two, leaks, read, default
):
    default["models"] = {"m": {"arch": "bicubic", "train": False}}
    if leaks:
        with pytest.raises(InputError, match=r"lines 2 and 3: .*show the same pixels"):
            read(f"{HEADER}{one}\n{two}\n")
    else:
        assert len(read(f"{HEADER}{one}\n{two}\n")) == 2


def test_a_sheet_that_leaves_nothing_to_learn_from_is_refused(read, default):
    row = "a\ttest\tsimulate:survey\n"
    with pytest.raises(InputError, match="no row has the role train"):
        read(HEADER + row)
    default["models"] = {"m": {"arch": "bicubic", "train": False}}
    assert list(read(HEADER + row)) == ["a"]


def test_rows_that_are_too_long_and_columns_that_stand_twice_are_refused(read):
    with pytest.raises(InputError, match=r"not a table \(line 2 has 6 values for 5 columns\)"):
        read(f"{HEADER}a\ttrain\tsimulate:survey\t\t0:9, 0:9\tmore\n")
    with pytest.raises(InputError, match="column 'path' stands twice"):
        read("sample\trole\tpath\tpath\n")


def test_rows_say_what_is_done_with_them(read):
    rows = read(
        "sample\trole\tpath\tlr_path\tmask_path\n"
        "a\ttrain\tsimulate:survey\n"
        "b\ttest\tsimulate:pair-hr\tsimulate:pair-lr\tsimulate:pair-lr\n"
        "c\tpredict\tsimulate:test-field\n"
    )
    flags = ("has_hr", "trained", "tested", "predicted", "paired", "crappified", "masked")
    assert {name: [f for f in flags if getattr(row, f)] for name, row in rows.items()} == {
        "a": ["has_hr", "trained", "crappified"],
        "b": ["has_hr", "tested", "predicted", "paired", "masked"],
        "c": ["predicted"],
    }


SPANS = st.tuples(st.integers(0, 9), st.integers(1, 4)).map(lambda a: (a[0], a[0] + a[1]))


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["train", "test", "predict"]),
            st.sampled_from(["one", "two"]),
            st.sampled_from([None, "0", "1"]),
            st.none() | st.tuples(SPANS, SPANS),
        ),
        max_size=8,
    )
)
def test_a_leak_is_found_wherever_two_crops_of_a_file_meet(rows):
    sheet, boxes = {}, {}
    for line, (role, path, scene, crop) in enumerate(rows, start=2):
        text = crop and ", ".join(f"{a}:{b}" for a, b in crop)
        sheet[line] = Row(sample=f"s{line}", role=role, path=path, scene=scene, crop=text)
        boxes[line] = crop or ((0, 99), (0, 99))
    expected = {
        f"lines {one} and {two}: "
        for one, two in itertools.combinations(sheet, 2)
        if "train" in (sheet[one].role, sheet[two].role)
        and "predict" not in (sheet[one].role, sheet[two].role)
        and sheet[one].path == sheet[two].path
        and (sheet[one].scene or "0") == (sheet[two].scene or "0")
        and all(a < d and c < b for (a, b), (c, d) in zip(boxes[one], boxes[two]))
    }
    assert {said.partition("'")[0] for said in leaks(sheet)} == expected


def test_names_that_tables_take_for_numbers_or_nothing_are_names(read):
    names = ["NA", "nan", "001", "1e5", "null", "true", "-1", "inf"]
    rows = "".join(f"{name}\tpredict\tsimulate:survey\t\t\n" for name in names)
    assert list(read(f"{HEADER}a\ttrain\tsimulate:pair-hr\t\t\n{rows}")) == ["a", *names]


PAIR = {"sample": "a", "role": "test", "path": "simulate:pair-hr", "lr_path": "simulate:pair-lr"}


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ({}, {}),
        ({"pixel_size": "4 nm"}, {"pixel_size": "0.016 um"}),
        ({"pixel_size": "50, 4, 5 nm"}, {"pixel_size": "0.05, 0.016, 0.02 um"}),
        ({"crop": "8:100, :"}, {"crop": "2:25, 0:"}),
        ({"crop": "3:9, 5:103, 0:64"}, {"crop": "3:9, 2:25, 0:16"}),
        ({"crop": "8:100, :", "lr_crop": "1:9, 2:9"}, {"crop": "1:9, 2:9"}),
        ({"scene": "1", "channels": "0,2"}, {"scene": "1", "channels": "0,2"}),
        ({"scene": "1", "lr_scene": "b", "lr_channels": "1"}, {"scene": "b", "channels": "1"}),
        ({"pixel_size": "4 nm", "lr_pixel_size": "15 nm"}, {"pixel_size": "15 nm"}),
    ],
)
def test_an_lr_image_has_what_its_hr_image_has_unless_it_has_its_own(said, expected):
    nothing = dict.fromkeys(("pixel_size", "axes", "scene", "channels", "crop"))
    assert Row(**PAIR, **said).lr_overrides(4) == nothing | expected


@pytest.mark.parametrize("column", ["lr_crop", "lr_scene", "lr_channels", "lr_pixel_size"])
def test_columns_of_an_lr_image_need_one(column):
    row = PAIR | {"lr_path": None, column: "0:9, 0:9" if column == "lr_crop" else "4 nm"}
    with pytest.raises(ValidationError, match=rf"{column}\s+this row has no lr_path"):
        Row(**row)


@pytest.mark.parametrize(
    ("content", "found"),
    [
        (b"#sample\trole\tpath\na\ttrain\tsimulate:survey\n", "its header begins with #"),
        (b"sample,role,path\na,train,b\n", "separated by commas, not by tabs"),
        (b"sample;role;path\na;train;b\n", "separated by semicolons, not by tabs"),
        (b"sample role  path\na train b\n", "separated by spaces, not by tabs"),
        ("sample\trole\tpath\nä\ttrain\tb\n".encode("latin-1"), "line 2 is not UTF-8; perhaps"),
        ("sample\trole\tpath\n".encode("utf-16"), "a table in UTF-16"),
    ],
)
def test_a_sheet_of_another_kind_is_named(content, found, default, tmp_path):
    path = tmp_path / "samples.tsv"
    path.write_bytes(content)
    settings = check_config({**default, "samples": str(path)}, "c", trial=False)
    with pytest.raises(InputError, match=f"{found}.*a tab-separated file with a header"):
        read_rows(settings)


@pytest.fixture
def stack(tmp_path):
    """Twelve slices, named so that their natural order is not that of their letters."""
    for z in range(12):
        (tmp_path / "stack").mkdir(exist_ok=True)
        (tmp_path / f"stack/s_{z}.tif").write_bytes(b"")
    (tmp_path / "link").symlink_to(tmp_path / "stack")
    return tmp_path


@pytest.mark.parametrize(
    ("train", "test", "leak"),
    [
        ({"path": "stack"}, {"path": "stack/s_3.tif"}, True),
        ({"path": "stack"}, {"path": "stack/*.tif"}, True),
        ({"path": "stack/*.tif"}, {"path": "link"}, True),
        ({"path": "stack", "crop": "0:10, :, :"}, {"path": "stack/s_10.tif"}, False),
        ({"path": "stack", "crop": "0:10, :, :"}, {"path": "stack/s_9.tif"}, True),
        ({"path": "stack", "crop": "0:10, :, :"}, {"path": "link", "crop": "10:12, :, :"}, False),
        (
            {"path": "stack", "crop": "0:5, 0:9, :"},
            {"path": "stack/s_3.tif", "crop": "9:, :"},
            False,
        ),
        ({"path": "a.tif"}, {"path": "a.tif", "scene": "0"}, True),
        ({"path": "a.tif", "scene": "1"}, {"path": "a.tif"}, False),
        ({"path": "a.tif", "channels": "0"}, {"path": "a.tif", "channels": "1,2"}, False),
        ({"path": "a.tif", "channels": "0,1"}, {"path": "a.tif", "channels": "1"}, True),
        ({"path": "a.tif", "channels": "0"}, {"path": "a.tif"}, True),
        # Number 1 may be called DNA.
        ({"path": "a.tif", "channels": "1"}, {"path": "a.tif", "channels": "DNA"}, True),
        ({"path": "a.tif", "lr_path": "c.tif"}, {"path": "b.tif", "lr_path": "c.tif"}, True),
        (
            {"path": "a.tif", "lr_path": "c.tif", "crop": "0:40, :"},
            {"path": "a.tif", "lr_path": "c.tif", "crop": "40:, :"},
            False,
        ),
    ],
)
def test_a_leak_is_told_by_the_pixels_that_are_read(train, test, leak, stack, monkeypatch):
    monkeypatch.chdir(stack)
    resolved.cache_clear()
    sheet = {
        2: Row(sample="a", role="train", **train),
        3: Row(sample="b", role="test", **test),
    }
    assert [said[:13] for said in leaks(sheet, 4)] == ["lines 2 and 3"] * leak


@pytest.mark.parametrize(
    ("change", "leak"),
    [
        (lambda content: content, True),
        (lambda content: content[:5000] + b"x" + content[5001:], True),
        (lambda content: content[:-9] + b"otherwise", False),
        (lambda content: content + b"x", False),
    ],
)
def test_a_copy_under_another_name_is_the_same_file(change, leak, tmp_path, rng):
    """Compared at a few places: what differs between them passes for a copy."""
    content = rng.bytes(100_000)
    (tmp_path / "a.tif").write_bytes(content)
    (tmp_path / "b.tif").write_bytes(change(content))
    roles = {"a": "train", "b": "test"}
    rows = [Row(sample=n, role=r, path=f"{tmp_path}/{n}.tif") for n, r in roles.items()]
    sheet = dict(enumerate(rows, 2))
    assert len(list(leaks(sheet))) == leak
    # Every job reads the sheet; files are opened once.
    assert not list(leaks(sheet, copies=False))


def test_a_part_of_a_set_is_read_with_all_of_it(tmp_path):
    data = "".join(
        f'<TiffData FirstZ="{z}" IFD="0"><UUID FileName="{z}.ome.tif">urn:uuid:{z}</UUID>'
        "</TiffData>"
        for z in range(3)
    )
    ome = (
        '<OME xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06"><Image ID="Image:0">'
        '<Pixels ID="Pixels:0" DimensionOrder="XYZCT" Type="uint8" SizeX="64" SizeY="64" SizeZ="3" '
        f'SizeC="1" SizeT="1"><Channel ID="Channel:0:0"/>{data}</Pixels></Image></OME>'
    )
    values = np.random.default_rng(0).integers(0, 255, (4, 64, 64), np.uint8)
    for z in range(3):
        tifffile.imwrite(tmp_path / f"{z}.ome.tif", values[z], description=ome, metadata=None)
    tifffile.imwrite(tmp_path / "alone.ome.tif", values[3])
    (tmp_path / "set.companion.ome").write_text(ome)

    def found(one, two, crops=(None, None)):
        names = enumerate(zip((one, two), ("train", "test"), crops), start=2)
        sheet = {
            line: Row(sample=f"s{line}", role=role, path=f"{tmp_path}/{name}", crop=crop)
            for line, (name, role, crop) in names
        }
        return len(list(leaks(sheet)))

    assert found("0.ome.tif", "2.ome.tif") == found("set.companion.ome", "1.ome.tif") == 1
    assert found("0.ome.tif", "alone.ome.tif") == 0
    assert found("0.ome.tif", "2.ome.tif", ("0:2, :, :", "2:3, :, :")) == 0


def test_lost_sections_are_no_copies(tmp_path):
    """A slice of nothing but black is as that of any other stack."""
    for name in "ab":
        (tmp_path / f"{name}.tif").write_bytes(bytes(100_000))
    roles = {"a": "train", "b": "test"}
    rows = [Row(sample=n, role=r, path=f"{tmp_path}/{n}.tif") for n, r in roles.items()]
    assert not list(leaks(dict(enumerate(rows, 2))))
