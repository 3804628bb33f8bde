"""The source files that a stage imports, and digests of them: a result depends on its code, too."""

from __future__ import annotations

import ast
import hashlib
from collections.abc import Iterable
from functools import cache
from pathlib import Path

PACKAGE = Path(__file__).parents[1]
# Excluded from digests, so that a new help text does not re-run a detector: changes of file formats raise the
# schema versions, and the list of public names affects no result.
PLUMBING = (PACKAGE / "__init__.py", PACKAGE / "errors.py", PACKAGE / "pipeline")


def closure(file: Path) -> list[Path]:
    """Return the files of `vcma` that a Python file imports, directly or indirectly, except PLUMBING; sorted.

    Imports inside functions count, because heavy modules are imported lazily. So do the `__init__.py` of a module's
    parent packages, which run before it.
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
    """Return whether a source file belongs to PLUMBING: it transports results but does not affect them."""
    return any(path == place or place in path.parents for place in PLUMBING)


def imported(file: Path) -> Iterable[Path]:
    """Yield the source files of `vcma` that a Python file imports directly, and the `__init__.py` above them."""
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
    """Return the SHA-256 of a stage's file and its closure."""
    return _digest([file, *closure(file)])


@cache
def package_digest() -> str:
    """Return the SHA-256 of the source of the whole package, as it was at the first call in this process."""
    return _digest(sorted(PACKAGE.rglob("*.py")))


def _digest(files: Iterable[Path]) -> str:
    digest = hashlib.sha256()
    for path in files:
        name = path.relative_to(PACKAGE) if path.is_relative_to(PACKAGE) else path.name
        digest.update(f"{name}\0".encode() + path.read_bytes() + b"\0")
    return digest.hexdigest()
