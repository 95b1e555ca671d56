"""The report of a comparison: sections of blocks, and the writers that turn them into a page, Markdown and JSON."""
