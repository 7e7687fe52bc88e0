"""A digest changes with what a module computes, and with nothing else."""

from pathlib import Path

import pytest

from ucmkd.errors import ConfigError
from ucmkd.fingerprint import ROOT, _read, source_digest, text_digest

LOSS = '''"""A loss."""

from pkg.parts import half


def loss(x):
    """Halve."""
    return half(x)
'''
FILES = {
    "pkg/__init__.py": '"""A package."""\n\n__version__ = "1"\n',
    "pkg/loss.py": LOSS,
    "pkg/parts.py": "def half(x):\n    return x / 2\n",
    "pkg/other.py": "OTHER = 1\n",
    "pkg/sub/__init__.py": "",
    "pkg/sub/deep.py": "DEEP = 1\n",
}


@pytest.fixture
def tree(tmp_path):
    for name, text in FILES.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return tmp_path


def digest(tree: Path, *modules: str) -> str:
    _read.cache_clear()
    return source_digest(*(modules or ("pkg.loss",)), root=tree)


def change(tree: Path, name: str, text: str) -> None:
    (tree / name).write_text(text)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("pkg/loss.py", LOSS.replace("Halve.", "Halve it.")),
        ("pkg/loss.py", LOSS.replace("A loss.", "A loss.\n\nAt length.")),
        ("pkg/loss.py", LOSS + "\n\n# a remark\n"),
        ("pkg/parts.py", "def half(x):\n\n\n    return (x /\n            2)\n"),
        ("pkg/parts.py", FILES["pkg/parts.py"] + "\n\n'a text that nobody reads'\n"),
        ("pkg/__init__.py", '__version__ = "2"\n'),
        ("pkg/other.py", "OTHER = 2\n"),
        ("pkg/sub/deep.py", "DEEP = 2\n"),
    ],
    ids=[
        "docstring",
        "module docstring",
        "comment",
        "layout",
        "loose text",
        "version",
        "unrelated",
        "unrelated deep",
    ],
)
def test_what_cannot_change_a_result_does_not_change_the_digest(tree, name, text):
    before = digest(tree)
    change(tree, name, text)
    assert digest(tree) == before


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("pkg/loss.py", LOSS.replace("half(x)", "half(x) + 0")),
        ("pkg/parts.py", "def half(x):\n    return x / 3\n"),
        ("pkg/parts.py", "def half(x):\n    return x / 2.0\n"),
        ("pkg/parts.py", "def half(x=None):\n    return x / 2\n"),
        ("pkg/__init__.py", "import os\n"),
    ],
    ids=["formula", "imported formula", "type of a constant", "default", "package"],
)
def test_what_can_change_a_result_changes_the_digest(tree, name, text):
    before = digest(tree)
    change(tree, name, text)
    assert digest(tree) != before


@pytest.mark.parametrize(
    "statement",
    [
        "import pkg.sub.deep",
        "from pkg.sub import deep",
        "from pkg.sub.deep import DEEP",
        "from .sub.deep import DEEP",
        "from . import sub, other\nfrom .sub import deep",
        "def late():\n    from pkg.sub.deep import DEEP\n    return DEEP",
        "if True:\n    import pkg.sub.deep as d",
    ],
)
def test_every_form_of_import_is_followed(tree, statement):
    change(tree, "pkg/loss.py", statement + "\n")
    before = digest(tree)
    change(tree, "pkg/sub/deep.py", "DEEP = 2\n")
    assert digest(tree) != before


@pytest.mark.parametrize("guard", ["TYPE_CHECKING", "typing.TYPE_CHECKING"])
def test_imports_for_the_type_checker_are_not_followed(tree, guard):
    change(
        tree,
        "pkg/loss.py",
        f"import typing\nfrom typing import TYPE_CHECKING\nif {guard}:\n    import pkg.other\n",
    )
    before = digest(tree)
    change(tree, "pkg/other.py", "OTHER = 2\n")
    assert digest(tree) == before


def test_modules_that_import_each_other_have_a_digest(tree):
    change(tree, "pkg/parts.py", "import pkg.loss\n")
    assert digest(tree) == digest(tree, "pkg.parts")


def test_the_order_of_names_does_not_matter(tree):
    assert digest(tree, "pkg.loss", "pkg.other") == digest(tree, "pkg.other", "pkg.loss")


def test_source_is_read_and_never_imported(tree):
    change(tree, "pkg/loss.py", "raise SystemExit('imported')\n")
    assert digest(tree)


@pytest.mark.parametrize(
    ("text", "message"), [(None, "there is no such module"), ("def broken(:\n", "line 1: not Python")]
)
def test_missing_and_broken_modules_are_named(tree, text, message):
    if text is not None:
        change(tree, "pkg/gone.py", text)
    with pytest.raises(ConfigError, match=message):
        digest(tree, "pkg.gone")


def test_every_module_of_the_project_has_a_digest():
    modules = [
        ".".join(path.relative_to(ROOT).with_suffix("").parts) for path in (ROOT / "ucmkd").rglob("*.py")
    ]
    assert all(source_digest(module.removesuffix(".__init__")) for module in modules)


def test_texts_count_letter_by_letter_and_in_any_order(tmp_path):
    one, two = tmp_path / "one", tmp_path / "two"
    one.write_text("a")
    two.write_text("b")
    before = text_digest(one, two)
    assert text_digest(two, one) == before
    two.write_text("b ")
    assert text_digest(one, two) != before
