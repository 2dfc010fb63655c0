"""The rules file: its schema, its settings and the rules themselves."""
