"""The proxy: one port that everything enters by, and the web application."""
