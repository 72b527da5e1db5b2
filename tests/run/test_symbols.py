"""What counts of a definition: what it does, not what it says."""

import textwrap

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pssrflow.run.symbols import read_module


@pytest.fixture
def text_of(tmp_path):
    """Function that gives the text of the definition `f` in some code."""
    numbers = iter(range(1000))

    def text(code):
        path = tmp_path / f"module_{next(numbers)}.py"
        path.write_text(textwrap.dedent(code))
        return [d.text for d in read_module(path).defining("f")]

    return text


SAME = [
    ("def f(x): return x", 'def f(x):\n    """Says."""\n    # why\n    return (x)'),
    ("def f(x): return x", "def f(x: int) -> int: return x"),
    ("def f(x): return x", "def f(x):\n    log.info('now %s', x)\n    return x"),
    ("def f(x):\n    raise InputError('a', 'b')", "def f(x):\n    raise InputError('c', x) from e"),
    ("f = key(3, 'Says.', ge=1)", "f = key(3, 'Says more.', ge=1)"),
    (
        "def f(x):\n    if x:\n        raise InputError(x, 'b')",
        "def f(x):\n    if x:\n        found = name(x)\n        raise InputError(x, found)",
    ),
    (
        "def f(x):\n    a = 1\n    log.info(a)\n    return x",
        "def f(x):\n    b = 2\n    a, c = b, b\n    log.info(a + c)\n    return x",
    ),
]


@pytest.mark.parametrize(("one", "other"), SAME)
def test_what_only_says_something_does_not_count(one, other, text_of):
    assert text_of(one) == text_of(other)


OTHER = [
    ("def f(x): return x", "def f(x): return x + 1"),
    ("def f(x): return x", "def f(x, y=1): return x"),
    ("def f(x):\n    raise InputError('a', 'b')", "def f(x):\n    raise KeyError('a')"),
    ("f = key(3, 'Says.', ge=1)", "f = key(4, 'Says.', ge=1)"),
    # What nobody reads is called for what it does.
    ("def f(x): return x", "def f(x):\n    held = open(x)\n    return x"),
    # Read by a message, and elsewhere.
    (
        "def f(x):\n    a = 1\n    log.info(a)\n    return a",
        "def f(x):\n    a = 2\n    log.info(a)\n    return a",
    ),
    (
        "def f(x):\n    a = 1\n    a += x\n    return a",
        "def f(x):\n    a = 2\n    a += x\n    return a",
    ),
    ("class f:\n    a: int = 1", "class f:\n    a: float = 1"),
    ("f = {'a': 1}", "f = {'a': 2}"),
]


@pytest.mark.parametrize(("one", "other"), OTHER)
def test_what_does_something_counts(one, other, text_of):
    assert text_of(one) != text_of(other)


def test_a_message_reads_no_name(tmp_path):
    path = tmp_path / "module.py"
    path.write_text("def f(x):\n    log.info(said(x))\n    raise InputError(told(x))\n")
    (found,) = read_module(path).defining("f")
    assert found.reads.isdisjoint({"said", "told"})


def test_statements_that_bind_nothing_always_count(tmp_path):
    path = tmp_path / "module.py"
    path.write_text('"""Says."""\nimport zarr\nzarr.config.set({"a": 1})\nX = 1\n')
    module = read_module(path)
    assert len(module.always) == 1 and module.names == {"X"}


@given(st.recursive(st.integers() | st.text(), lambda x: st.lists(x) | st.tuples(x, x)))
def test_other_constants_are_other_text(tmp_path_factory, value):
    folder = tmp_path_factory.mktemp("constants")
    texts = []
    for number, content in enumerate((value, [value])):
        path = folder / f"module_{number}.py"
        path.write_text(f"f = {content!r}\n", encoding="utf-8", errors="surrogatepass")
        try:
            texts.append(read_module(path).defining("f")[0].text)
        except (UnicodeDecodeError, SyntaxError, ValueError):
            return
    assert texts[0] != texts[1]
