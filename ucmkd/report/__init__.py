"""The report: figures, tables and what they were made with, on one page that needs nothing else."""
