"""Clips with picture and sound: found in a tree of files, and read as frames or as a spectrogram."""
