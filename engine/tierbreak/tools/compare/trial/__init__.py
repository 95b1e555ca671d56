"""The experiment: users in two arms, what became of them, and how far the difference can be trusted."""
