"""The bundled models, and running them on whatever machine there is."""
