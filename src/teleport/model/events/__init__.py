"""Audit events: what happened, with the names and codes auditors know."""
