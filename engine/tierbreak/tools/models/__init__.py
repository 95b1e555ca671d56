"""Work on the model."""
