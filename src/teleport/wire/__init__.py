"""The messages: bytes in, values out. Pure codecs that bound what they keep and never read, wait or tell the time."""
