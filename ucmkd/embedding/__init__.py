"""Embeddings of a user's own images and texts, made once by a model that stays outside the benchmark."""
