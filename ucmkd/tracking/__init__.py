"""A view of the run records in MLflow."""
