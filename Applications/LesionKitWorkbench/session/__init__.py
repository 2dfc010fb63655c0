"""One user's process: the scene, the page and what is kept of it."""
