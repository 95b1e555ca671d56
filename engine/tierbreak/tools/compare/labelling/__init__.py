"""Disagreements for a person to label: which are drawn, the file they stand in, and what its labels say of all rows."""
