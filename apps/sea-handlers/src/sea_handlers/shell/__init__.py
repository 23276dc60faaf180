"""The service: wiring only."""
