"""Old system against new: who is in which arm, both answering at once, and what came of it."""
