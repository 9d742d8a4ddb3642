"""Teleport: short-lived certificates and one proxy for everything people and machines reach."""

__version__ = "18.0.0"
