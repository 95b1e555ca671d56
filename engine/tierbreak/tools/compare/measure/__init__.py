"""What the paired decisions say, as plain figures: one pass makes small tables, and each part is counted from those."""
