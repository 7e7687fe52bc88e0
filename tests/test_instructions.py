"""Jobs use the same instructions on every processor, unless their user decides otherwise."""

import os
import subprocess
import sys

import pytest

from ucmkd.instructions import AVX2, COMPILED, use_common_instructions

SHOWN = """
import sys
from ucmkd.instructions import use_common_instructions
use_common_instructions()
assert not {"numpy", "torch"} & set(sys.modules)
import torch
from numpy._core._multiarray_umath import __cpu_dispatch__, __cpu_features__
used = [name for name in __cpu_dispatch__ if __cpu_features__[name]]
print(torch.backends.cpu.get_cpu_capability(), *used)
"""


@pytest.fixture
def bare(monkeypatch):
    """Take the variables away that the tests themselves run with."""
    for name in (*AVX2, COMPILED):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("platform.machine", lambda: "x86_64")


@pytest.mark.parametrize(("flags", "limited"), [("fpu avx2 avx512f", True), ("fpu avx", False)])
def test_a_processor_is_limited_to_what_it_has(bare, tmp_path, flags, limited):
    cpu = tmp_path / "cpuinfo"
    cpu.write_text(2 * f"processor\t: 0\nflags\t\t: {flags}\nbugs\t\t: avx2\n\n")
    use_common_instructions(cpu)
    assert {name: os.environ.get(name) for name in AVX2} == (AVX2 if limited else dict.fromkeys(AVX2))


def test_other_systems_and_processors_are_left_alone(bare, tmp_path, monkeypatch):
    use_common_instructions(tmp_path / "missing")
    (tmp_path / "cpuinfo").write_text("flags : avx2\n")
    monkeypatch.setattr("platform.machine", lambda: "aarch64")
    use_common_instructions(tmp_path / "cpuinfo")
    assert not {*AVX2, COMPILED} & set(os.environ)


def test_the_user_decides(bare, tmp_path, monkeypatch):
    monkeypatch.setenv("ATEN_CPU_CAPABILITY", "default")
    (tmp_path / "cpuinfo").write_text("flags : avx2\n")
    use_common_instructions(tmp_path / "cpuinfo")
    assert os.environ["ATEN_CPU_CAPABILITY"] == "default"


def test_what_was_compiled_for_other_instructions_is_not_taken_up(bare, tmp_path, monkeypatch):
    (tmp_path / "cpuinfo").write_text("flags : avx2\n")
    folders = set()
    for capability in ("avx2", "avx512", "default"):
        monkeypatch.setenv("ATEN_CPU_CAPABILITY", capability)
        monkeypatch.delenv(COMPILED, raising=False)
        use_common_instructions(tmp_path / "cpuinfo")
        folders.add(os.environ[COMPILED])
    assert len(folders) == 3


def test_libraries_obey():
    free = {name: value for name, value in os.environ.items() if name not in AVX2}
    done = subprocess.run([sys.executable, "-c", SHOWN], capture_output=True, text=True, check=True, env=free)
    assert not {"AVX512", "X86_V4", "AVX512_ICL", "AVX512_SPR"} & set(done.stdout.split())
    assert done.stderr == ""
