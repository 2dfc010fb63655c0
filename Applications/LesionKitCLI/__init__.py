"""The command line. It talks to the pipelines only and holds no image processing of its own."""
