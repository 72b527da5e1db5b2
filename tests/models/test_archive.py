"""Files that call themselves packages: what is damaged, or made to harm, is refused in words."""

import zipfile

import pytest
from packages import adopt, rewrite, zipped
from pssrflow.errors import InputError
from pssrflow.models.archive import Archive
from pssrflow.models.facts import Facts

SOUND = "format_version: 0.5.4\ntype: model\n"
# Each level names the one before ten times.
LAUGHS = "\n".join(
    f"l{n}: &l{n} [{', '.join([f'*l{n - 1}'] * 10)}]" if n else "l0: &l0 [1]" for n in range(12)
)
DESCRIPTIONS = {
    "old": ("format_version: 0.4.10\ntype: model", r"format_version 0\.4\.10\. Accepted: .*0\.5"),
    "no model": ("format_version: 0.5.4\ntype: dataset", "Accepted: type model"),
    "a list": ("[1, 2]", "format_version nothing"),
    "no text": (b"\xff\xfe\x00", "not YAML"),
    "a date": ("when: 2024-13-99", "not YAML"),
    "Python": ("a: !!python/object/apply:os.system ['echo ran']", "not YAML"),
    "deep": ("[" * 5000, "lists in lists without end"),
    "endless": (f"{SOUND}a: &a [*a]", "more than 100000 values"),
    "laughs": (f"{SOUND}{LAUGHS}", "more than 100000 values"),
    "nothing": (SOUND, "name"),
}


@pytest.mark.parametrize(("text", "words"), DESCRIPTIONS.values(), ids=DESCRIPTIONS)
def test_a_description_that_is_none_is_refused(text, words, tmp_path, capfd):
    package = zipped(tmp_path / "theirs.zip", {"rdf.yaml": text})
    with pytest.raises(InputError, match=rf"(?s)theirs\.zip.*{words}"):
        adopt(package)
    assert "ran" not in capfd.readouterr().out


def test_a_zip_without_a_description_and_a_file_that_is_no_zip_are_refused(tmp_path):
    with pytest.raises(InputError, match=r"empty\.zip: no rdf\.yaml in it"):
        Archive.read(zipped(tmp_path / "empty.zip", {"a": "b"}))
    (tmp_path / "text.zip").write_text("no zip")
    with pytest.raises(InputError, match=r"text\.zip: cannot be read as a package"):
        Archive.read(tmp_path / "text.zip")


def test_a_package_of_which_bytes_were_changed_is_refused(tmp_path):
    package = tmp_path / "p.zip"
    with zipfile.ZipFile(package, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("weights.safetensors", bytes(range(256)) * 100)
    sound = package.read_bytes()
    for place in range(60, 400, 20):
        package.write_bytes(sound[:place] + b"\xff" + sound[place + 1 :])
        with pytest.raises(InputError, match=r"p\.zip: (cannot be read|no rdf)"):
            Archive.read(package)
        assert Facts.of_package(package) is None


def test_all_files_that_are_not_as_described_are_told_at_once(package):
    def change(content, files):
        files["network.pt"] += b"x"
        del files["cover.png"]

    with pytest.raises(
        InputError, match=r"(?s)covers\.0\.source: no file 'cover\.png'.*\n.*sha256"
    ):
        Archive.read(rewrite(package, change))


def test_a_package_that_claims_more_than_memory_holds_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr("pssrflow.models.archive.LARGEST", 10)
    with pytest.raises(InputError, match=r"unpack to 0\.0 MB\. Accepted: .* and 4 GiB"):
        Archive.read(zipped(tmp_path / "p.zip", {"a": "12345", "b": "123456"}))


def test_paths_that_lead_out_are_told_at_once(tmp_path):
    names = ["/etc/passwd", "../up", "a/../../up", "C:\\windows", "sound"]
    with pytest.raises(InputError) as caught:
        Archive.read(zipped(tmp_path / "p.zip", dict.fromkeys(names, "x")))
    said = str(caught.value)
    assert all(repr(name) in said for name in names[1:3]) and "sound" not in said
