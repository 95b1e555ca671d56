"""Used while serving: a new engine beside the old one, for a share of users or for none."""
