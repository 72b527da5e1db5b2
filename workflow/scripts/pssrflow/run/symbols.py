"""The definitions of a module as text that changes with what they do, and what each reads.

Comments, formatting, docstrings and annotations of functions do nothing, and neither do messages:
what is logged, the texts of errors, and whatever is made for these alone.
"""

import ast
import functools
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

# Calls whose arguments are read by people: of the logger, of warnings, and of errors for users.
LOGGERS = {"log", "logging", "warnings"}
# The sentence about a key of the configuration is its second argument.
KEY = "key"


@dataclass(frozen=True)
class Definition:
    """One statement at the top of a module.

    Attributes
    ----------
    text : str
        Its syntax tree, without what does nothing.
    reads : frozenset of str
        Names that it reads; with the attribute where one is read of a name ("checkpoint.save").
    """

    text: str
    reads: frozenset[str]


@dataclass
class Module:
    """What stands at the top of a file.

    Attributes
    ----------
    definitions : dict of str to list of Definition
        By the name that each binds.
    imports : dict of str to (str, str or None)
        Module and name that a name stands for; no name if it is the module itself.
    always : list of Definition
        Statements that bind nothing: they run whenever the file is imported.
    """

    definitions: dict[str, list[Definition]] = field(default_factory=dict)
    imports: dict[str, tuple[str, str | None]] = field(default_factory=dict)
    always: list[Definition] = field(default_factory=list)


@functools.cache
def read_module(path: Path) -> Module:
    """Definitions and imports of a file of Python."""
    found = Module()
    for node in ast.parse(path.read_text()).body:
        if isinstance(node, ast.Import):
            for alias in node.names:
                name = alias.asname or alias.name.split(".")[0]
                found.imports[name] = alias.name if alias.asname else name, None
        elif isinstance(node, ast.ImportFrom):
            for alias in node.names:
                found.imports[alias.asname or alias.name] = node.module or "", alias.name
        else:
            _define(found, node)
    return found


def _define(module, node):
    writer = _Writer()
    writer.write(node)
    if not writer.parts:
        return
    made = Definition(" ".join(writer.parts), frozenset(writer.reads))
    bound = list(_bound(node))
    for name in bound:
        module.definitions.setdefault(name, []).append(made)
    if not bound:
        module.always.append(made)


def _bound(node) -> Iterator[str]:
    if isinstance(node, ast.FunctionDef | ast.ClassDef | ast.AsyncFunctionDef):
        yield node.name
    for target in _targets(node):
        yield from (n.id for n in ast.walk(target) if isinstance(n, ast.Name))


def _targets(node):
    targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
    plain = isinstance(node, ast.Assign | ast.AnnAssign)
    return [t for t in targets if plain and isinstance(t, ast.Name | ast.Tuple)]


class _Writer:
    """Writes a syntax tree as text, in one pass, and notes the names that it reads."""

    def __init__(self):
        self.parts: list[str] = []
        self.reads: set[str] = set()
        self.unread: set[ast.AST] = set()

    def write(self, node):
        kind = type(node)
        if kind is ast.Name:
            self.parts.append(node.id)
            self.reads.add(node.id)
        elif kind is ast.Constant:
            self.parts.append(repr(node.value))
        elif kind is ast.Attribute:
            self._attribute(node)
        elif kind is ast.Call and _spoken(node.func):
            self.parts.append(f"{kind.__name__} {ast.unparse(node.func)}")
        elif kind is ast.Raise:
            self._raise(node)
        elif kind is ast.Call and type(node.func) is ast.Name and node.func.id == KEY:
            self._field("args", [node.func, *node.args[:1], *node.args[2:], *node.keywords])
        elif not (kind is ast.Expr and _says_only(node.value)) and node not in self.unread:
            self._whole(node)

    def _attribute(self, node):
        if type(node.value) is ast.Name:
            self.reads.add(f"{node.value.id}.{node.attr}")
            self.parts.append(f"{node.value.id}.{node.attr}")
        else:
            self.parts.append(f".{node.attr}")
            self.write(node.value)

    def _raise(self, node):
        made = node.exc.func if isinstance(node.exc, ast.Call) else node.exc
        self.parts.append(f"Raise {ast.unparse(made) if made is not None else ''}")

    def _whole(self, node):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            self.unread |= _only_said(node)
        self.parts.append(type(node).__name__)
        skipped = _skipped(node)
        for name in node._fields:
            if name not in skipped:
                self._field(name, getattr(node, name, None))
        self.parts.append(";")

    def _field(self, name, value):
        if isinstance(value, ast.AST):
            self.write(value)
        elif isinstance(value, list):
            for item in value:
                if isinstance(item, ast.AST):
                    self.write(item)
                else:
                    self.parts.append(repr(item))
            self.parts.append(",")
        elif value is not None:
            self.parts.append(f"{name}={value!r}")


def _skipped(node):
    """Fields of a node that decide nothing."""
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
        return ("returns", "type_comment", "type_params")
    if isinstance(node, ast.arg):
        return ("annotation", "type_comment")
    return ("ctx", "kind", "type_comment", "type_params")


def _spoken(function):
    """Whether what a function is called with is a message."""
    return isinstance(function, ast.Name) and function.id.endswith("Error")


def _says_only(value):
    """Whether a statement is a docstring or a line of a log."""
    if isinstance(value, ast.Constant):
        return True
    called = value.func if isinstance(value, ast.Call) else None
    while isinstance(called, ast.Attribute):
        called = called.value
    return isinstance(called, ast.Name) and called.id in LOGGERS


def _only_said(function):
    """Assignments of a function whose names messages read, and nothing else."""
    assigned, elsewhere = [], _Reads()
    elsewhere.visit_all(ast.iter_child_nodes(function), assigned)
    loaded = (n for n in ast.walk(function) if type(n) is ast.Name and type(n.ctx) is ast.Load)
    anywhere = {n.id for n in loaded}
    # What nobody reads is called for what it does.
    assigned = [one for one in assigned if one[1] <= anywhere]
    unread: set[ast.AST] = set()
    while True:
        read = elsewhere.names.union(*(names for node, _, names in assigned if node not in unread))
        more = {node for node, bound, _ in assigned if bound.isdisjoint(read)} - unread
        if not more:
            return unread
        unread |= more


class _Reads:
    """Names that a function reads elsewhere than in messages and plain assignments."""

    def __init__(self):
        self.names: set[str] = set()

    def visit_all(self, nodes, assigned):
        for node in nodes:
            kind = type(node)
            if kind is ast.Name:
                if type(node.ctx) is not ast.Store:
                    self.names.add(node.id)
            elif kind in (ast.Global, ast.Nonlocal):
                self.names.update(node.names)
            elif kind is ast.AugAssign and type(node.target) is ast.Name:
                self.names.add(node.target.id)
                self.visit_all([node.value], assigned)
            elif kind is ast.Assign and (bound := _plainly_bound(node)):
                inner = _Reads()
                inner.visit_all([node.value], assigned)
                assigned.append((node, bound, inner.names))
            elif not _is_message(node):
                self.visit_all(ast.iter_child_nodes(node), assigned)


def _plainly_bound(node):
    targets = [n for t in node.targets for n in (t.elts if isinstance(t, ast.Tuple) else [t])]
    if all(isinstance(t, ast.Name) for t in targets):
        return {t.id for t in targets}
    return set()


def _is_message(node):
    if isinstance(node, ast.Raise):
        return True
    if isinstance(node, ast.Expr):
        return _says_only(node.value)
    return isinstance(node, ast.Call) and _spoken(node.func)
