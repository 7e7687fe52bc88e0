"""What the kinds of dataset share that read a user's own files."""
