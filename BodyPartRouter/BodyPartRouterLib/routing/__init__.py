"""From rules to deliveries: which image goes where, and how it gets there once."""
