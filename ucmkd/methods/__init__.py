"""One method a file, found by its file name; the settings stand beside it."""
