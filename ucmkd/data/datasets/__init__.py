"""One dataset a file, found by its file name."""
