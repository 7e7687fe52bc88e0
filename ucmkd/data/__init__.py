"""Datasets of one modality, pairs of them, and the regimes in which their batches meet."""
