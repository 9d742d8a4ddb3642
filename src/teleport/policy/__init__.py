"""Decisions: who may do what, and why. Pure functions of roles, identities, resources, locks and a given time."""
