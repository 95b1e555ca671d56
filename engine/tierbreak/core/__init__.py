"""What every tier and tool shares: tables in, tables out. No file, no tier, no clock."""
