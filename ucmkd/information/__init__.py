"""Mutual information and the closed-form risk: what the complementarity hypothesis speaks of."""
