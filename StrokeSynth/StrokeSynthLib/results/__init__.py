"""What an analysis gives, and what it leaves: figures, the report, files."""
