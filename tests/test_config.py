"""Configuration and sample sheet: documented, defaulted, and refused with what is accepted."""

import copy

import pytest
import yaml
from pssrflow.config.check import check_config, seconds
from pssrflow.config.samples import read_samples
from pssrflow.errors import InputError
from pssrflow.keys import load_schema, with_defaults
from pssrflow.models.weights import save_weights
from pssrflow.networks.registry import build


@pytest.fixture(scope="session")
def schema(root):
    return load_schema(root / "workflow/schemas/config.schema.yaml")


@pytest.fixture(scope="session")
def sheet_schema(root):
    return load_schema(root / "workflow/schemas/samples.schema.yaml")


@pytest.fixture
def default(root):
    return yaml.safe_load((root / "config.yaml").read_text())


def test_config_yaml_holds_the_defaults_of_the_schema(default, schema):
    # The demo's acquisitions are the one thing that no user wants by default.
    acquisitions = default.pop("simulate")
    filled = with_defaults({}, schema)
    assert filled.pop("simulate") == {}
    filled["crappify"]["noise"] = [{"name": "poisson", "intensity": 1}]
    assert default == filled
    assert acquisitions


def keys(schema, name=""):
    """Name, schema and whether it must be given, of every key."""
    for key, part in schema.get("properties", {}).items():
        # A branch repeats the key that chose it.
        if part:
            yield f"{name}{key}", part, key in schema.get("required", ())
            yield from keys(part, f"{name}{key}.")
    for part in (schema.get("additionalProperties"), schema.get("items")):
        if isinstance(part, dict):
            yield from keys(part, f"{name}*.")
    for branch in schema.get("allOf", ()):
        yield from keys(branch["then"], name)


def test_every_key_has_a_description_and_a_default(schema, sheet_schema):
    for key, part, _ in [*keys(schema), *keys(sheet_schema)]:
        assert part.get("description"), key
    for key, part, must in keys(schema):
        assert "default" in part or must, key


def test_every_key_of_config_yaml_is_commented(root):
    lines = (root / "config.yaml").read_text().split("simulate:")[0].splitlines()
    commented = False
    for line in lines:
        stripped = line.strip()
        if stripped.startswith("#"):
            commented = True
        elif not stripped:
            commented = False
        elif ":" in stripped and not commented and not stripped.startswith("-"):
            # A group of keys may share the comment above it.
            assert line.startswith(" "), f"no comment above {line!r}"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"trian": {}}, r"trian: unknown key\. Accepted: .*did you mean 'train'"),
        ({"train": {"epoch": 3}}, r"train\.epoch: unknown key\. .*did you mean 'epochs'"),
        ({"crappify": {"scale": "four"}}, r'crappify\.scale: found "four"\. Accepted: integer'),
        ({"crappify": {"scale": 0}}, r"crappify\.scale: found 0\. Accepted: at least 1"),
        ({"crappify": {"downsample": "sinc"}}, r"downsample: found \"sinc\".*bilinear, area"),
        ({"crappify": {"fit": "gone.json"}}, r"crappify: gone\.json: cannot be read"),
        (
            {"crappify": {"preset": "em_AG_D", "fit": "calibration"}},
            r"crappify: both preset and fit are given",
        ),
        (
            {"crappify": {"noise": [{"name": "readout", "gain": -1}]}},
            r"crappify\.noise\[0\]\.gain: found -1\. Accepted: at least 1e-06",
        ),
        (
            {"crappify": {"noise": [{"name": "jpeg"}]}},
            r'noise\[0\]\.name: found "jpeg"\. Accepted: gaussian, poisson',
        ),
        (
            {"crappify": {"noise": [{"name": "lag", "pixel": 3}]}},
            r"noise\[0\]\.pixel: unknown key.*did you mean 'pixels'",
        ),
        ({"crappify": {"scan": {"jitter": -1}}}, r"scan\.jitter: found -1\. Accepted: at least 0"),
        ({"crappify": {"width": -1}}, r"crappify\.width: found -1\. Accepted: at least 0"),
        (
            {"crappify": {"noise": [{"name": "poisson", "intensity": -1}]}},
            r"crappify\.noise\[0\]\.intensity: found -1\. Accepted: at least 0",
        ),
        (
            {"crappify": {"noise": [{"name": "poisson", "intensity": 2}]}},
            r"crappify\.noise\[0\]\.intensity: found 2\. Accepted: at most 1",
        ),
        (
            {"crappify": {"noise": [{"name": "fog", "intensity": 1}]}},
            r"noise\[0\]\.name: .*gaussian",
        ),
        ({"crappify": {"noise": [{"name": "blur"}]}}, r"noise\[0\]: 'intensity' is a required"),
        ({"crappify": {"scale": 1, "noise": []}}, r"scale 1 and no noise leave nothing"),
        ({"ingest": {"shard": [1, 1000, 2048]}}, r"1000 pixels along y are no multiple.*256"),
        ({"ingest": {"chunk": [1, 256]}}, r"ingest\.chunk: found \[1, 256\]\. Accepted: 3 values"),
        ({"ingest": {"percentiles": [99, 1]}}, r"percentiles: found 99 and 1"),
        ({"models": {"a/b": {"arch": "unet"}}}, r"models.*a/b"),
        (
            {"models": {"m": {"arch": "vit"}}},
            r"models\.m\.arch: found \"vit\"\. Accepted: unet, bicubic",
        ),
        ({"models": {"m": {"arch": "unet", "depth": 3}}}, r"models\.m\.depth: unknown key.*widths"),
        ({"models": {}}, r"models: found \{\}"),
        ({"train": {"max_time": "soon"}}, r"train\.max_time: found \"soon\""),
        ({"predict": {"halo": "big"}}, r"predict\.halo: found \"big\""),
        ({"predict": {"parts": 2.5}}, r"predict\.parts: found 2\.5\. Accepted: integer"),
        ({"seed": 10**30}, r"seed: found 10+\. Accepted: at most"),
        ({"results": "a{b}"}, r"results: found"),
        ({"train": {"max_time": "1.2.3m"}}, r"train\.max_time: found"),
        ({"train": {"learning_rate": "1e-3"}}, r"YAML takes 1e-3 for one\); write 0\.001"),
        ({"train": {"learning_rate": float("nan")}}, r"learning_rate: found nan\..*finite"),
        ({"models": {1: {"arch": "unet"}}}, r"models.*found 1"),
        ({"simulate": {"../../x": {}}}, r"simulate.*\.\./\.\./x"),
        ({"predict": {"parts": 0}}, r"predict\.parts: found 0\. Accepted: at least 1"),
    ],
)
def test_a_wrong_key_is_named_with_what_was_found_and_what_is_accepted(
    change, message, default, schema
):
    config = copy.deepcopy(default)
    for section, values in change.items():
        if isinstance(config.get(section), dict) and section != "models":
            config[section].update(values)
        else:
            config[section] = values
    with pytest.raises(InputError, match=message) as caught:
        check_config(config, schema, "mine.yaml")
    assert str(caught.value).startswith("mine.yaml: configuration refused")


def test_whole_numbers_written_as_floats_are_taken_as_integers(default, schema):
    default["predict"]["parts"] = 4.0
    default["ingest"]["chunk"] = [1, 256.0, 256]
    config = check_config(default, schema, "mine.yaml")
    assert repr((config["predict"]["parts"], config["ingest"]["chunk"])) == "(4, [1, 256, 256])"


@pytest.fixture
def weights(tmp_path):
    """Weights that PSSRflow saved: a U-Net of two levels at scale 4."""
    options = {"widths": [8, 16], "blocks": 1}
    facts = {"arch": "unet", "scale": 4, "options": options, "intensity": "range"}
    save_weights(tmp_path / "w.safetensors", build("unet", 4, **options), facts)
    return str(tmp_path / "w.safetensors")


def test_weights_alone_say_which_network_they_are_of(default, schema, weights):
    default["models"] = {
        "m": {"weights": weights},
        "other": {"weights": weights, "intensity": "window"},
    }
    models = check_config(default, schema, "mine.yaml")["models"]
    assert models["m"]["arch"] == "unet" and models["m"]["widths"] == [8, 16]
    assert (models["m"]["intensity"], models["other"]["intensity"]) == ("range", "window")


def test_weights_of_another_scale_or_architecture_are_refused_before_any_job(
    default, schema, weights
):
    default["models"] = {"m": {"weights": weights}}
    default["crappify"]["scale"] = 2
    with pytest.raises(InputError, match=r"models\.m\.weights: found scale 4.*scale 2"):
        check_config(default, schema, "mine.yaml")
    default["models"], default["crappify"]["scale"] = (
        {"m": {"arch": "resunet", "weights": weights}},
        4,
    )
    with pytest.raises(InputError, match=r"found arch unet.*arch resunet"):
        check_config(default, schema, "mine.yaml")


def test_weights_that_say_nothing_need_an_architecture(default, schema, tmp_path):
    (tmp_path / "w.pth").write_bytes(b"no weights")
    default["models"] = {"m": {"weights": str(tmp_path / "w.pth")}}
    with pytest.raises(InputError, match=r"models\.m: 'arch' is a required"):
        check_config(default, schema, "mine.yaml")


def test_all_errors_are_told_at_once(default, schema):
    default["crappify"]["scale"] = 0
    default["train"]["batch"] = "many"
    with pytest.raises(InputError, match=r"(?s)scale.*batch"):
        check_config(default, schema, "mine.yaml")


@pytest.mark.parametrize(
    ("text", "expected"), [("90s", 90), ("10m", 600), ("1.5h", 5400), (30, 30), (None, None)]
)
def test_durations_are_read(text, expected):
    assert seconds(text) == expected


HEADER = "sample\trole\tpath\tlr_path\tcrop\n"


@pytest.fixture
def read(tmp_path, default, schema, sheet_schema):
    """Function that reads a sheet given as text."""

    def sheet(text):
        path = tmp_path / "samples.tsv"
        path.write_text(text)
        return read_samples(str(path), sheet_schema, check_config(default, schema, "config.yaml"))

    return sheet


def test_a_good_sheet_is_read_with_every_column(read, tmp_path):
    (tmp_path / "a.tif").touch()
    table = read(
        f"{HEADER}a\ttrain\t{tmp_path}/a.tif\t\t\nb\ttest\tsimulate:pair-hr\tsimulate:pair-lr\t\n"
    )
    assert table.loc["a", "lr_path"] is None and table.loc["a", "axes"] is None
    assert list(table.index) == ["a", "b"]


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("../a\ttrain\tsimulate:survey\t\t", r'line 2, sample: found "\.\./a"'),
        ("..\ttrain\tsimulate:survey\t\t", r'line 2, sample: found "\.\."'),
        (
            "a b\ttrain\tsimulate:survey\t\t",
            r'line 2, sample: found "a b"\. Accepted: text that match',
        ),
        ("models\ttrain\tsimulate:survey\t\t", r"line 2, sample: 'models' is a folder"),
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
        ("a\ttest\tsimulate:pair-hr\tsimulate:pair-lr\t0:9, 0:9", r"line 2, crop: would cut"),
        ("a\ttrain\tsimulate:survey\t\tfoo", r"line 2, crop: 'foo' has 1 range"),
        (".a\ttrain\tsimulate:survey\t\t", r'line 2, sample: found "\.a"'),
        ("Models\ttrain\tsimulate:survey\t\t", r"line 2, sample: 'Models' is a folder of the res"),
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
    assert table.loc["a", "weight_path"] == "simulate:pair-hr"
    with pytest.raises(InputError, match="line 3, weight_path: a test row is not learnt from"):
        read(header + rows.format("", "simulate:pair-hr"))
    with pytest.raises(InputError, match=r"line 2, weight_path: nothing at 'gone\.tif'"):
        read(header + rows.format("gone.tif", ""))


def test_duplicate_samples_are_refused_even_if_only_the_case_differs(read):
    rows = "a\ttrain\tsimulate:survey\t\t\nA\ttest\tsimulate:survey\t\t\n"
    with pytest.raises(InputError, match="lines 2, 3, sample: 'a' stands more than once"):
        read(HEADER + rows)


def test_unknown_and_missing_columns_are_refused(read):
    with pytest.raises(InputError, match=r"unknown column 'rolle'.*did you mean 'role'"):
        read("sample\trolle\tpath\n")
    with pytest.raises(InputError, match="no column 'path'"):
        read("sample\trole\n")


def test_an_empty_or_absent_sheet_is_refused(read, sheet_schema, default):
    with pytest.raises(InputError, match="no rows"):
        read(HEADER)
    with pytest.raises(InputError, match="not a table"):
        read("")
    with pytest.raises(InputError, match="no such sample sheet"):
        read_samples("nowhere.tsv", sheet_schema, default)


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
    assert table.loc["a", "path"].endswith("field#3.tif")
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
def test_rows_that_show_the_same_pixels_are_refused_if_one_is_trained_on(one, two, leaks, read):
    if leaks:
        with pytest.raises(InputError, match=r"lines 2 and 3: .*show the same pixels"):
            read(f"{HEADER}{one}\n{two}\n")
    else:
        assert len(read(f"{HEADER}{one}\n{two}\n")) == 2
