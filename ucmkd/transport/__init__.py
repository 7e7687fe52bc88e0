"""Optimal transport between batches, as pure functions on tensors."""
