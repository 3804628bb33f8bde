"""The source files that a stage's code is made of, and digests of them: a result follows from its code, too."""

from __future__ import annotations

import ast
import hashlib
from collections.abc import Iterable
from functools import cache
from pathlib import Path

PACKAGE = Path(__file__).parents[1]
# Guarded by the schema versions, or, as the list of public names, part of no result: a help text must not re-run a
# detector.
PLUMBING = (PACKAGE / "__init__.py", PACKAGE / "errors.py", PACKAGE / "pipeline")


def closure(file: Path) -> list[Path]:
    """Source files of `vcma` that a Python file imports, directly or not, without plumbing; sorted.

    Imports inside functions count: a heavy library stands behind a lazy import, its door is code all the same. So
    do the `__init__.py` of a module's packages, which run before it.
    """
    found: set[Path] = set()
    waiting = [file]
    while waiting:
        for path in imported(waiting.pop()):
            if path not in found and not is_plumbing(path):
                found.add(path)
                waiting.append(path)
    return sorted(found)


def is_plumbing(path: Path) -> bool:
    """Whether a source file of `vcma` only carries results and decides none."""
    return any(path == place or place in path.parents for place in PLUMBING)


def imported(file: Path) -> Iterable[Path]:
    """The source files of `vcma` that a Python file names in its imports, and the `__init__.py` above them."""
    for node in ast.walk(ast.parse(file.read_bytes())):
        names = []
        if isinstance(node, ast.ImportFrom) and node.module:
            names = [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
        elif isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        for name in names:
            parts = name.split(".")
            if parts[0] == PACKAGE.name:
                yield from _module_files(parts[1:])


def _module_files(parts: list[str]) -> Iterable[Path]:
    place = PACKAGE
    yield place / "__init__.py"
    for part in parts:
        place = place / part
        for path in (place.with_suffix(".py"), place / "__init__.py"):
            if path.is_file():
                yield path


def code_digest(file: Path) -> str:
    """SHA-256 over a stage's file and its closure."""
    return _digest([file, *closure(file)])


@cache
def package_digest() -> str:
    """SHA-256 over the source of the whole package as it was when this process first asked."""
    return _digest(sorted(PACKAGE.rglob("*.py")))


def _digest(files: Iterable[Path]) -> str:
    digest = hashlib.sha256()
    for path in files:
        name = path.relative_to(PACKAGE) if path.is_relative_to(PACKAGE) else path.name
        digest.update(f"{name}\0".encode() + path.read_bytes() + b"\0")
    return digest.hexdigest()
