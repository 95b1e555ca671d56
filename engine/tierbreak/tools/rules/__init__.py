"""Work on the rulebook."""
