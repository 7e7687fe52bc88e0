"""New files of the benchmark, written for somebody who has data and no wish to write code."""
