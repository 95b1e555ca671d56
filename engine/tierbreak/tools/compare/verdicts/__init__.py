"""Gates written before the run, and the verdict that the figures of a report come to by them."""
