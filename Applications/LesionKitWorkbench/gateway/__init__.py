"""The only door of the Workbench: who may come in, which session is whose, what may be sent."""
