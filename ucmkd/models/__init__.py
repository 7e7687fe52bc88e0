"""Encoders, found by file name, and the network that trains them as a function of its parameters."""
