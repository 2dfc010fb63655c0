"""Cross-validation, and what synthetic cases add."""
