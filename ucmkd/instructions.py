"""Which of a processor's instructions libraries use: the same everywhere, since others round otherwise."""

import os
import platform
import tempfile
from pathlib import Path

AVX2 = {
    "ATEN_CPU_CAPABILITY": "avx2",
    "MKL_ENABLE_INSTRUCTIONS": "AVX2",
    "NPY_DISABLE_CPU_FEATURES": "X86_V4 AVX512_ICL AVX512_SPR",
    "ONEDNN_MAX_CPU_ISA": "AVX2",
    "OPENBLAS_CORETYPE": "Haswell",
}
"""What torch, its two libraries, NumPy and NumPy's library read before they look at the processor."""

COMPILED = "TORCHINDUCTOR_CACHE_DIR"
"""Where torch's compiler keeps what it has compiled: it takes it up again whatever it was compiled for."""


def use_common_instructions(cpu: str | Path = "/proc/cpuinfo") -> None:
    """Have numerical libraries use AVX2 and nothing newer, if the processor has it.

    To be called before NumPy or torch is imported. A variable that the user has set stays as it is. What
    torch compiles has a folder for each set of instructions, since code for another one gives NaN.

    Parameters
    ----------
    cpu : path
        Where Linux lists what the processor can do; other systems are left alone.
    """
    if platform.machine() == "x86_64" and "avx2" in _flags(Path(cpu)):
        for name, value in AVX2.items():
            os.environ.setdefault(name, value)
        folder = f"torchinductor_{os.getuid()}_{os.environ['ATEN_CPU_CAPABILITY']}"
        os.environ.setdefault(COMPILED, str(Path(tempfile.gettempdir()) / folder))


def _flags(cpu: Path) -> list[str]:
    lines = cpu.read_text().splitlines() if cpu.exists() else []
    return next((line.partition(":")[2].split() for line in lines if line.startswith("flags")), [])
