"""SSH, served by asyncssh on a socket we are given, with sessions of our own on plain descriptors."""
