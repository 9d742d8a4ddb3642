"""The user's side: profiles, login, dialling, SSH. A module imports what its command needs, no more."""
