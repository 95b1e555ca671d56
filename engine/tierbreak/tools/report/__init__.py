"""Pages and plots that reports share."""
