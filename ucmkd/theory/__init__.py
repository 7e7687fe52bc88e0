"""The bound of UCMKD: estimators of each of its terms on held-out data."""
