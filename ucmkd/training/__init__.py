"""The runner that trains every teacher and every student alike."""
