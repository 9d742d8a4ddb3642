"""Single sign-on: people whom another provider knows, with the roles that its word gives them here."""
