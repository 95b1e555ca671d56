"""Writing rule files: a layout for all of them, a schema for editors, a first file for a brand, and safe repairs."""
