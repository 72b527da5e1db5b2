"""The default environment is free of the GPL: readers of that licence are for a user to add."""

import re
from importlib import metadata
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PINS = [
    line.split("==")[0]
    for line in (ROOT / "envs/requirements.txt").read_text().splitlines()
    if "==" in line
]
# The GNU licences but the Lesser one, which asks nothing of a program that imports a library.
GNU = re.compile(r"\bA?GPL|General Public License|Affero", re.IGNORECASE)
LESSER = re.compile(r"\bLGPL|Lesser|Library General", re.IGNORECASE)
# Said in several ways, of which one may be chosen.
CHOICE = re.compile(r"\bOR\b")


def said(package):
    """What a package says of its licence: its expression, else its classifiers, else its text."""
    about = metadata.metadata(package)
    if expression := about.get("License-Expression"):
        return [expression]
    classifiers = about.get_all("Classifier") or []
    found = [c.split("::")[-1].strip() for c in classifiers if c.startswith("License ::")]
    return found or [(about.get("License") or "").split("\n")[0]]


def is_gnu(licence):
    return bool(GNU.search(licence)) and not LESSER.search(licence) and not CHOICE.search(licence)


@pytest.mark.parametrize("package", PINS)
def test_no_package_of_the_default_environment_is_under_the_gpl(package):
    licences = said(package)
    # Of several licences a user takes any.
    assert not all(map(is_gnu, licences)), licences


@pytest.mark.parametrize(
    ("licence", "expected"),
    [
        ("GPL-3.0-or-later", True),
        ("GNU General Public License v3 (GPLv3)", True),
        ("AGPL-3.0", True),
        ("LGPL-2.1", False),
        ("GNU Lesser General Public License v3 (LGPLv3)", False),
        ("MIT OR GPL-2.0", False),
        ("BSD-3-Clause", False),
    ],
)
def test_licences_are_told_apart(licence, expected):
    assert is_gnu(licence) is expected
