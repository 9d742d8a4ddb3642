"""The nouns: resources, identities and events, as strict data. No I/O, no clock, no dice."""
