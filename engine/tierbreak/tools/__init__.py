"""What studies and makes rules, models and comparisons. Nothing that serves imports it."""
