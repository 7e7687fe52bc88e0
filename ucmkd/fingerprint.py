"""A digest of the code a job runs, so that an edited formula reruns it and an edited comment does not.

Snakemake sees edits of a rule, not of the modules its command imports. Rules therefore carry the digest of
those modules among their parameters. Source text is read, never imported.
"""

import ast
import functools
import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ucmkd.errors import ConfigError

ROOT = Path(__file__).resolve().parents[1]


def source_digest(*modules: str, root: Path = ROOT) -> str:
    """Hash the syntax trees of modules and of every module of the same packages that they import.

    Comments, docstrings, formatting, ``__version__`` and what stands under ``if TYPE_CHECKING`` do not count.
    Imports inside functions do. Modules imported by a computed name are not seen: name them.

    Parameters
    ----------
    *modules : str
        Dotted names, for example ``ucmkd.training.distill``.
    root : Path
        The folder that holds the package.

    Returns
    -------
    str
        The first 16 hexadecimal digits of a SHA-256.

    Raises
    ------
    ConfigError
        If a module does not exist or is not Python.
    """
    reached: set[str] = set()
    waiting = list(modules)
    while waiting:
        module = waiting.pop()
        if module not in reached:
            reached.add(module)
            waiting.extend(_read(module, root)[1])
    text = "\n".join(f"{module} {_read(module, root)[0]}" for module in sorted(reached))
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def text_digest(*paths: Path) -> str:
    """Hash files that are read as they are, templates and captions."""
    text = b"".join(hashlib.sha256(path.read_bytes()).digest() for path in sorted(paths))
    return hashlib.sha256(text).hexdigest()[:16]


@functools.cache
def _read(module: str, root: Path) -> tuple[str, frozenset[str]]:
    """Hash one module and list the modules beside it that it imports, parent packages included."""
    path = _find(module, root)
    if path is None:
        raise ConfigError(f"{module}: there is no such module under {root}")
    try:
        tree = _Essential().visit(ast.parse(path.read_text(encoding="utf-8")))
    except SyntaxError as error:
        raise ConfigError(f"{path}: line {error.lineno}: not Python ({error.msg})") from None
    names = {part for name in _imported(tree, module, path) for part in _with_parents(name)}
    imports = frozenset(name for name in names | set(_with_parents(module)) if _find(name, root))
    return hashlib.sha256(repr(_plain(tree)).encode()).hexdigest(), imports


def _find(module: str, root: Path) -> Path | None:
    stem = root.joinpath(*module.split("."))
    return next((path for path in (stem.with_suffix(".py"), stem / "__init__.py") if path.is_file()), None)


def _with_parents(module: str) -> Iterator[str]:
    """List ``a``, ``a.b`` and ``a.b.c`` for ``a.b.c``: importing the last runs all three."""
    parts = module.split(".")
    return (".".join(parts[: end + 1]) for end in range(len(parts)))


def _imported(tree: ast.AST, module: str, path: Path) -> Iterator[str]:
    """List what a module imports; a name imported from a package may be a module, so it is listed too."""
    package = module.split(".") if path.stem == "__init__" else module.split(".")[:-1]
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else []
            origin = ".".join([*base, *([node.module] if node.module else [])])
            yield from (f"{origin}.{alias.name}" for alias in node.names)


class _Essential(ast.NodeTransformer):
    """Drop what cannot change a result: docstrings, ``__version__``, imports for the type checker."""

    def visit_Expr(self, node: ast.Expr) -> ast.AST | None:
        is_text = isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)
        return None if is_text else self.generic_visit(node)

    def visit_Assign(self, node: ast.Assign) -> ast.AST | None:
        is_version = any(
            isinstance(target, ast.Name) and target.id == "__version__" for target in node.targets
        )
        return None if is_version else self.generic_visit(node)

    def visit_If(self, node: ast.If) -> ast.AST | None:
        test = node.test
        name = test.id if isinstance(test, ast.Name) else test.attr if isinstance(test, ast.Attribute) else ""
        return None if name == "TYPE_CHECKING" and not node.orelse else self.generic_visit(node)


def _plain(node: Any) -> Any:
    """Turn a tree into tuples without positions and empty fields, which differ between Python versions."""
    if isinstance(node, list):
        return [_plain(item) for item in node]
    if not isinstance(node, ast.AST):
        return node
    fields = [(name, getattr(node, name, None)) for name in node._fields]
    return (
        type(node).__name__,
        *[(name, _plain(value)) for name, value in fields if value is not None and value != []],
    )
