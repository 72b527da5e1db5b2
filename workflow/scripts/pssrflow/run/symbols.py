"""The definitions of a module as text that changes with what they do, and what each reads.

Comments, formatting, docstrings and annotations of functions do nothing, and neither do messages:
what is logged, the texts of errors, and whatever is made for these alone.
"""

import ast
import functools
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

# Calls whose arguments are read by people: of the logger, of warnings, and of errors for users.
LOGGERS = {"log", "logging", "warnings"}
# The sentence about a key of the configuration is its second argument.
KEY = "key"
# How `plugins.load` is told what to load.
SYMBOL = re.compile(r"pssrflow(\.\w+)+:\w+")
# What a function with any message in it holds.
MESSAGE = re.compile(r"\braise\b|Error\(|\b(log|logging|warnings)\.")


@dataclass(frozen=True)
class Definition:
    """One statement at the top of a module.

    Attributes
    ----------
    text : str
        Its syntax tree, without what does nothing.
    reads : frozenset of str
        Names that it reads; with the attribute where one is read of a name ("checkpoint.save");
        and what it loads by a name that it spells out ("pssrflow.crappify.learned:load").
    """

    text: str
    reads: frozenset[str]


# First and last line of a statement, decorators included.
Span = tuple[int, int]


class Module:
    """What stands at the top of a file; a definition is written out when it is asked for.

    Most of what a file holds is reached by nobody, and a run of many jobs notices the time; so
    would it trees of all files, kept until the process ends.

    Attributes
    ----------
    imports : dict of str to (str, str or None)
        Module and name that a name stands for; no name if it is the module itself.
    names : set of str
        That definitions bind.
    """

    def __init__(self, source: str) -> None:
        # As the parser counts lines: a form feed ends none.
        self._lines = source.split("\n")
        self._binding: dict[str, list[Span]] = {}
        self._bare: list[Span] = []
        self._written: dict[Span, Definition] = {}
        self.imports: dict[str, tuple[str, str | None]] = {}
        for node in ast.parse(source).body:
            self._place(node)
        self.names = set(self._binding)

    def _place(self, node: ast.stmt) -> None:
        if isinstance(node, ast.Import):
            for alias in node.names:
                name = alias.asname or alias.name.split(".")[0]
                self.imports[name] = alias.name if alias.asname else name, None
        elif isinstance(node, ast.ImportFrom):
            for alias in node.names:
                self.imports[alias.asname or alias.name] = node.module or "", alias.name
        else:
            bound = list(_bound(node))
            for name in bound:
                self._binding.setdefault(name, []).append(_span(node))
            if not bound and not (isinstance(node, ast.Expr) and _says_only(node.value)):
                self._bare.append(_span(node))

    @property
    def always(self) -> list[Definition]:
        """Statements that bind nothing: they run whenever the file is imported."""
        return list(map(self._definition, self._bare))

    def defining(self, name: str) -> list[Definition]:
        """Statements that bind a name."""
        return list(map(self._definition, self._binding.get(name, ())))

    def _definition(self, span: Span) -> Definition:
        if span not in self._written:
            first, last = span
            lines = self._lines[first - 1 : last]
            writer = _Writer(lines)
            for node in ast.parse("\n".join(lines)).body:
                writer.write(node)
            made = Definition(" ".join(writer.parts), frozenset(writer.reads))
            self._written[span] = made
        return self._written[span]


def _span(node: ast.stmt) -> Span:
    decorators = getattr(node, "decorator_list", ())
    return min(n.lineno for n in (node, *decorators)), node.end_lineno or node.lineno


@functools.cache
def read_module(path: Path) -> Module:
    """Definitions and imports of a file of Python."""
    return Module(path.read_text())


def _bound(node: ast.stmt) -> Iterator[str]:
    if isinstance(node, ast.FunctionDef | ast.ClassDef | ast.AsyncFunctionDef):
        yield node.name
    for target in _targets(node):
        yield from (n.id for n in ast.walk(target) if isinstance(n, ast.Name))


def _targets(node: ast.stmt) -> list[ast.expr]:
    targets: list[ast.expr] = []
    if isinstance(node, ast.Assign):
        targets = node.targets
    elif isinstance(node, ast.AnnAssign):
        targets = [node.target]
    return [target for target in targets if isinstance(target, ast.Name | ast.Tuple)]


class _Writer:
    """Writes a syntax tree as text, in one pass, and notes the names that it reads."""

    def __init__(self, lines: list[str]) -> None:
        self.lines = lines
        self.parts: list[str] = []
        self.reads: set[str] = set()
        self.unread: set[ast.AST] = set()

    def write(self, node: ast.AST) -> None:
        """Write a node and all below it."""
        if isinstance(node, ast.Name):
            self.parts.append(node.id)
            self.reads.add(node.id)
        elif isinstance(node, ast.Constant):
            self._constant(node.value)
        elif isinstance(node, ast.Attribute):
            self._attribute(node)
        elif isinstance(node, ast.Call) and _spoken(node.func):
            self.parts.append(f"Call {ast.unparse(node.func)}")
        elif isinstance(node, ast.Raise):
            self._raise(node)
        elif isinstance(node, ast.Call) and _is_key(node.func):
            self._field("args", [node.func, *node.args[:1], *node.args[2:], *node.keywords])
        elif not ((isinstance(node, ast.Expr) and _says_only(node.value)) or node in self.unread):
            self._whole(node)

    def _constant(self, value: object) -> None:
        self.parts.append(repr(value))
        if isinstance(value, str) and SYMBOL.fullmatch(value):
            self.reads.add(value)

    def _attribute(self, node: ast.Attribute) -> None:
        if isinstance(node.value, ast.Name):
            self.reads.add(f"{node.value.id}.{node.attr}")
            self.parts.append(f"{node.value.id}.{node.attr}")
        else:
            self.parts.append(f".{node.attr}")
            self.write(node.value)

    def _raise(self, node: ast.Raise) -> None:
        made = node.exc.func if isinstance(node.exc, ast.Call) else node.exc
        self.parts.append(f"Raise {ast.unparse(made) if made is not None else ''}")

    def _whole(self, node: ast.AST) -> None:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            # Looking twice at every function would take as long as all the rest.
            text = "\n".join(self.lines[node.lineno - 1 : node.end_lineno])
            if MESSAGE.search(text):
                self.unread |= _only_said(node)
        self.parts.append(type(node).__name__)
        skipped = _skipped(node)
        for name in node._fields:
            if name not in skipped:
                self._field(name, getattr(node, name, None))
        self.parts.append(";")

    def _field(self, name: str, value: Any) -> None:
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


def _skipped(node: ast.AST) -> tuple[str, ...]:
    """Fields of a node that decide nothing."""
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
        return ("returns", "type_comment", "type_params")
    if isinstance(node, ast.arg):
        return ("annotation", "type_comment")
    return ("ctx", "kind", "type_comment", "type_params")


def _spoken(function: ast.expr) -> bool:
    """Whether what a function is called with is a message."""
    return isinstance(function, ast.Name) and function.id.endswith("Error")


def _is_key(function: ast.expr) -> bool:
    return isinstance(function, ast.Name) and function.id == KEY


def _says_only(value: ast.expr) -> bool:
    """Whether a statement is a docstring or a line of a log."""
    if isinstance(value, ast.Constant):
        return True
    called: ast.expr | None = value.func if isinstance(value, ast.Call) else None
    while isinstance(called, ast.Attribute):
        called = called.value
    return isinstance(called, ast.Name) and called.id in LOGGERS


def _only_said(function: ast.AST) -> set[ast.AST]:
    """Assignments of a function whose names messages read, and nothing else."""
    assigned: list[_Assigned] = []
    elsewhere = _Reads()
    elsewhere.visit_all(ast.iter_child_nodes(function), assigned)
    names = (n for n in ast.walk(function) if isinstance(n, ast.Name))
    anywhere = {n.id for n in names if isinstance(n.ctx, ast.Load)}
    # What nobody reads is called for what it does.
    assigned = [one for one in assigned if one[1] <= anywhere]
    unread: set[ast.AST] = set()
    while True:
        read = elsewhere.names.union(*(names for node, _, names in assigned if node not in unread))
        more = {node for node, bound, _ in assigned if bound.isdisjoint(read)} - unread
        if not more:
            return unread
        unread |= more


# A plain assignment, the names that it binds, and those that it reads.
_Assigned = tuple[ast.AST, set[str], set[str]]


class _Reads:
    """Names that a function reads elsewhere than in messages and plain assignments."""

    def __init__(self) -> None:
        self.names: set[str] = set()

    def visit_all(self, nodes: Iterable[ast.AST], assigned: list[_Assigned]) -> None:
        """Note what some nodes read, and the plain assignments among them."""
        for node in nodes:
            if isinstance(node, ast.Name):
                if not isinstance(node.ctx, ast.Store):
                    self.names.add(node.id)
            elif isinstance(node, ast.Global | ast.Nonlocal):
                self.names.update(node.names)
            elif isinstance(node, ast.AugAssign) and isinstance(node.target, ast.Name):
                self.names.add(node.target.id)
                self.visit_all([node.value], assigned)
            elif isinstance(node, ast.Assign) and (bound := _plainly_bound(node)):
                inner = _Reads()
                inner.visit_all([node.value], assigned)
                assigned.append((node, bound, inner.names))
            elif not _is_message(node):
                self.visit_all(ast.iter_child_nodes(node), assigned)


def _plainly_bound(node: ast.Assign) -> set[str]:
    targets = [n for t in node.targets for n in (t.elts if isinstance(t, ast.Tuple) else [t])]
    names = {t.id for t in targets if isinstance(t, ast.Name)}
    return names if len(names) == len(targets) else set()


def _is_message(node: ast.AST) -> bool:
    if isinstance(node, ast.Raise):
        return True
    if isinstance(node, ast.Expr):
        return _says_only(node.value)
    return isinstance(node, ast.Call) and _spoken(node.func)
