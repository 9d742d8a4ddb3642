"""Where authorities keep their private keys: in our own storage, or in hardware that never lets them out."""
