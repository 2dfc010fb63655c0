"""What an analysis gives, and what it leaves: tables, figures, the report, files."""
