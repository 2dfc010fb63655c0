"""What the modules' panels share. Qt is allowed here; nothing of a single module is known."""
