"""What a data card shows of a dataset: a few training samples, as a picture or as texts."""
