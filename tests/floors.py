"""The checker behind test_floors.py: which module imports what, and what is wrong with it."""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

FLOORS: tuple[tuple[str, ...], ...] = (
    # 0: the data model and the errors
    (
        "inspector.comparison",
        "inspector.counted",
        "inspector.errors",
        "inspector.exported",
        "inspector.found",
        "inspector.language",
        "inspector.making",
        "inspector.meetings",
        "inspector.parsing",
        "inspector.ranks",
        "inspector.records",
        "inspector.stages",
        "inspector.static_run",
        "inspector.verdicts",
        "inspector.why_records",
        "inspector.writing",
    ),
    # 1: what a recording says, as text, as a file, as the content of a picture
    (
        "inspector.check",
        "inspector.columns",
        "inspector.control_kinds",
        "inspector.controls",
        "inspector.golden",
        "inspector.graph",
        "inspector.irdiff",
        "inspector.languages",
        "inspector.library",
        "inspector.norms",
        "inspector.quoted",
        "inspector.recipes",
        "inspector.retold",
        "inspector.static_store",
        "inspector.container",
        "inspector.outline",
        "inspector.store",
        "inspector.text",
        "inspector.views.model",
    ),
    # 2: the only code that imports torch
    ("inspector.capture", "inspector.torchscript"),
    # 3: pure functions from records to records
    (
        "inspector.advice",
        "inspector.axes",
        "inspector.axis_rules",
        "inspector.census",
        "inspector.compare",
        "inspector.overlay",
        "inspector.findings",
        "inspector.formats",
        "inspector.lanes",
        "inspector.loops",
        "inspector.timeline",
        "inspector.gradients",
        "inspector.tensors_about",
        "inspector.truthful",
        "inspector.views",
        "inspector.whys",
    ),
    # 4: records to pictures
    ("inspector.render",),
    # 5: the public face, the command line and the app
    (
        "inspector.cli",
        "inspector.commands",
        "inspector.integrations",
        "inspector.__main__",
        "inspector.notebook",
        "inspector.pytest_plugin",
        "inspector.testing",
        "inspector_app",
    ),
)
FACE = "inspector"  # its __init__.py: names resolved lazily, imported only by floor 5
TORCH_PARTS = ("inspector.capture", "inspector.torchscript")
COLOUR_FILES = ("inspector.render.theme",)
FIRST_PARTY = ("inspector", "inspector_app", "sample_models")
COLOUR = re.compile(r"(?<!\w)#(?:[0-9a-fA-F]{8}|[0-9a-fA-F]{6})\b")

# The methods Recording.save, Recording.to_text, Recording._repr_html_ and Census.to_text hand over
# to a higher floor inside their bodies.
HANDED_OVER = {
    ("inspector.counted", "inspector.census.text"),
    ("inspector.records", "inspector.render.embedded"),
    ("inspector.records", "inspector.store"),
    ("inspector.records", "inspector.text"),
}


@dataclass(frozen=True)
class Import:
    """One imported module; `typing_only` under `if TYPE_CHECKING`, `lazy` in a function."""

    module: str
    line: int
    typing_only: bool
    lazy: bool


@dataclass(frozen=True)
class Module:
    """One parsed file under its import name."""

    name: str
    path: Path
    tree: ast.Module

    @property
    def package(self) -> str:
        """What a relative import starts from."""
        is_package = self.path.name == "__init__.py"
        return self.name if is_package else self.name.rpartition(".")[0]


def read_modules(root: Path) -> dict[str, Module]:
    """All modules of inspector/, app/ (as inspector_app) and sample_models/ by name."""
    modules = {}
    for folder, package in (
        ("inspector", "inspector"),
        ("app", "inspector_app"),
        ("sample_models", "sample_models"),
    ):
        for path in sorted((root / folder).rglob("*.py")):
            parts = path.relative_to(root / folder).with_suffix("").parts
            name = ".".join((package, *parts)).removesuffix(".__init__")
            modules[name] = Module(name, path, ast.parse(path.read_text(), str(path)))
    return modules


def imports_of(module: Module, known: dict[str, Module]) -> Iterator[Import]:
    """Every import of the file, also those in functions and under TYPE_CHECKING."""
    yield from _walk(module.tree, module, known, typing_only=False, lazy=False)


def _walk(
    node: ast.AST, module: Module, known: dict[str, Module], typing_only: bool, lazy: bool
) -> Iterator[Import]:
    if isinstance(node, ast.Import):
        for alias in node.names:
            yield Import(alias.name, node.lineno, typing_only, lazy)
    elif isinstance(node, ast.ImportFrom):
        for target in _targets(node, module, known):
            yield Import(target, node.lineno, typing_only, lazy)
    elif isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
        for child in node.body:
            yield from _walk(child, module, known, True, lazy)
        for child in node.orelse:
            yield from _walk(child, module, known, typing_only, lazy)
    else:
        lazy = lazy or isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))
        for child in ast.iter_child_nodes(node):
            yield from _walk(child, module, known, typing_only, lazy)


def _targets(node: ast.ImportFrom, module: Module, known: dict[str, Module]) -> Iterator[str]:
    """`from package import name` imports package.name where that is a module."""
    base = node.module or ""
    if node.level:
        anchor = module.package.split(".")
        anchor = anchor[: len(anchor) - (node.level - 1)]
        base = ".".join([*anchor, base] if base else anchor)
    for alias in node.names:
        inner = f"{base}.{alias.name}"
        yield inner if inner in known else base


def within(name: str, part: str) -> bool:
    """Whether `name` is `part` or lies inside it."""
    return name == part or name.startswith(part + ".")


def floor_of(name: str) -> int | None:
    """The floor of a module; the longest matching part decides. None for an unplaced one."""
    if name == FACE:
        return len(FLOORS) - 1
    matches = [
        (len(part), floor)
        for floor, parts in enumerate(FLOORS)
        for part in parts
        if within(name, part)
    ]
    return max(matches)[1] if matches else None


def violations(root: Path) -> list[str]:
    """Everything under `root` that breaks a rule, one sentence each."""
    modules = read_modules(root)
    found: list[str] = []
    for module in modules.values():
        place = module.path.relative_to(root)
        if floor_of(module.name) is None and not within(module.name, "sample_models"):
            found.append(f"{place}: is on no floor; place it in FLOORS of tests/floors.py")
            continue
        for imported in imports_of(module, modules):
            reason = objection(module.name, imported)
            if reason:
                found.append(f"{place}:{imported.line}: imports {imported.module}: {reason}")
        found += (f"{place}:{line}: colour {text}" for line, text in colours(module))
    return found


def objection(name: str, imported: Import) -> str | None:
    """Why module `name` may not import that, or None."""
    target = imported.module
    top = target.partition(".")[0]
    standard = top in sys.stdlib_module_names
    if within(name, "sample_models"):
        allowed = standard or top in ("torch", "sample_models")
        return None if allowed else "sample models import only torch"
    if name == FACE:
        return "only the app knows Streamlit" if top in ("streamlit", "inspector_app") else None
    if top in FIRST_PARTY:
        return _first_party_objection(name, imported)
    if floor_of(name) == 0 and not standard:
        numpy_type = top == "numpy" and imported.typing_only and name == "inspector.records"
        return None if numpy_type else "floor 0 imports only the standard library"
    if top in ("torch", "torchviz") and not any(within(name, part) for part in TORCH_PARTS):
        return "only capture and torchscript import torch"
    if top == "streamlit" and not within(name, "inspector_app"):
        return "only the app knows Streamlit"
    return None


def _first_party_objection(name: str, imported: Import) -> str | None:
    target = imported.module
    here = floor_of(name)
    assert here is not None, name
    if within(target, "inspector_app"):
        return None if within(name, "inspector_app") else "only the app imports the app"
    if within(target, "sample_models"):
        return None if here == len(FLOORS) - 1 else "only the top floor shows sample models"
    there = floor_of(target)
    if there is None:
        return "no such part of inspector"
    if imported.lazy and (name, target) in HANDED_OVER:
        return None
    return f"floor {here} may not import floor {there}" if there > here else None


def colours(module: Module) -> Iterator[tuple[int, str]]:
    """Colour literals of a module of inspector or the app that is not a theme."""
    if module.name in COLOUR_FILES or within(module.name, "sample_models"):
        return
    for node in ast.walk(module.tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            for match in COLOUR.finditer(node.value):
                yield node.lineno, match.group()
