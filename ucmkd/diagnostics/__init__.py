"""Jobs that look at finished runs: what they leave is read into tables like records."""
