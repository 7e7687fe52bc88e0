"""What everything around the training costs, measured beside a budget."""
