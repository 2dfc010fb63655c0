"""From a planned delivery to an object at its destination: folders, C-STORE, STOW-RS, retries, verification."""
