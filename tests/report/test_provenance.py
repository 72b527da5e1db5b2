"""What was made from what."""

from dataclasses import replace

from pssrflow.report.provenance import Provenance
from pssrflow.run.files import read_json, write_json
from pssrflow.run.layout import Sample


def test_it_names_inputs_versions_parameters_seed_and_code(finished):
    content = Provenance.of(finished).to_json()
    assert content["format"] == 1 and content["config"]["seed"] == 0
    assert content["packages"]["torch"] and content["machine"]["python"]
    assert {"ingest", "train", "predict_part", "report"} <= set(content["code"])
    assert set(content["samples"]["made"]) == {"hr", "lr", "sr (net)"}
    assert set(content["samples"]["scanned"]) == {"hr", "lr", "sr (net)", "registration"}
    assert content["models"]["net"]["weights"] == "best.safetensors"


def test_files_of_an_earlier_role_do_not_count(finished):
    samples = [Sample("made", "train"), Sample("scanned", "predict")]
    content = Provenance.of(replace(finished, samples=samples)).to_json()
    assert {name: set(kinds) for name, kinds in content["samples"].items()} == {
        "made": {"hr", "lr"},
        "scanned": {"lr", "sr (net)"},
    }


def test_warnings_and_sources_are_those_of_the_done_files(finished):
    path = finished.layout.done("hr", "made")
    source = {"path": "raw.tif", "files": 1, "bytes": 9, "sha256": "ab" * 32}
    write_json(path, read_json(path) | {"notes": ["no pixel size"], "source": source})
    found = Provenance.of(finished)
    assert [(n.store, n.text) for n in found.notes] == [("made (hr)", "no pixel size")]
    stores = {store.name: store for store in found.stores}
    assert stores["made: hr"].source == "raw.tif (1 files, sha256 abababababab)"
    assert stores["made: lr"].source == "computed"
    assert stores["made: sr (net)"].shape == [1, 1, 3, 96, 104]
    assert "scanned: registration" not in stores
