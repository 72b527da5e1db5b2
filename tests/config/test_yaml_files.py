"""What YAML reads otherwise than it was meant is refused with its line."""

import pytest
from pssrflow.config.yaml_files import check_command, check_files
from pssrflow.errors import InputError


@pytest.fixture
def check(tmp_path):
    def checked(text):
        path = tmp_path / "mine.yaml"
        path.write_text(text)
        check_files([str(path)])

    return checked


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("seed: 1\ntrain: {}\nseed: 2\n", r"mine\.yaml, line 3: seed stands in line 1 already"),
        (
            "models:\n  a: {size: small}\n  b: {size: base}\n  a: {}\n",
            r"line 4: models\.a stands in line 2",
        ),
        (
            "crappify:\n  noise:\n    - name: gaussian\n      name: poisson\n",
            r"line 4: crappify\.noise\.0\.name stands in line 3",
        ),
        ("train: {max_time: 1:30}", r"line 1: train\.max_time: '1:30' is read as a number by 60"),
        ("models: {no: {}}", r"line 1: the key 'no' is read as a bool\. Accepted: quotes"),
        ("models: {null: {}}", r"the key 'null' is read as a null"),
        ("calibrate: {samples: [010]}", r"calibrate\.samples\.0: '010' is read as a number by 8"),
        ("predict: {roi: {007: '0:9, 0:9'}}", r"predict\.roi: '007' is read as a number by 8"),
        ("a: [", r"no YAML: .*Accepted: UTF-8 text in YAML"),
    ],
)
def test_what_would_be_dropped_or_changed_is_refused(text, message, check):
    with pytest.raises(InputError, match=rf"(?s)configuration refused.*{message}"):
        check(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "models: {'no': {}, \"010\": {}}\ntrain: {max_time: '1:30', tensorboard: no}",
        "seed: 0\ntrain: {learning_rate: 0.002, max_steps: -1}",
        '{"seed": 1, "train": {"batch": 2}}',
        "a: &x {b: 1}\nc: *x",
        "a: &a [1]\n" + "".join(f"{n}: &{n} [*{o}, *{o}]\n" for o, n in zip("abcde", "bcdef")),
        "a: &a [*a]",
    ],
)
def test_what_is_meant_so_passes(text, check):
    check(text)


def test_all_faults_are_told_at_once(check):
    with pytest.raises(InputError) as raised:
        check("seed: 1\nseed: 2\ntrain: {max_time: 1:30}\n")
    assert str(raised.value).count("Accepted") == 2


def test_the_option_for_files_stands_once():
    check_command(["snakemake", "--configfile", "a.yaml", "b.yaml", "--config", "seed=1"])
    with pytest.raises(InputError, match=r"of which only the last one counts.*a\.yaml b\.yaml"):
        check_command(["snakemake", "--configfile", "a.yaml", "--configfile=b.yaml"])
