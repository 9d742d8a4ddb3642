"""How a new host or bot proves that it may join: one module a method."""
