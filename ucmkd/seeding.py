"""Random numbers by name: every consumer draws from its own stream of a run's single seed."""

import hashlib

import numpy as np


def seed_for(seed: int, *names: str | int) -> int:
    """Derive a 63-bit seed for one named purpose, so that adding a consumer does not shift the others."""
    text = "/".join(str(part) for part in (seed, *names))
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> 1


def generator_for(seed: int, *names: str | int) -> np.random.Generator:
    """Give a NumPy generator for one named purpose of the run with this seed."""
    return np.random.default_rng(seed_for(seed, *names))
