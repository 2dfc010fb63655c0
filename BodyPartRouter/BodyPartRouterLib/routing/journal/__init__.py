"""What the journal remembers of images and deliveries, so that a restart goes on where it was."""
