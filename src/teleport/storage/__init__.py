"""Keeping: items in a backend, typed resources over them, copies kept fresh, the audit log, the recordings."""
