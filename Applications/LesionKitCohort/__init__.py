"""Many studies at once: what `lesionkit batch` does."""
