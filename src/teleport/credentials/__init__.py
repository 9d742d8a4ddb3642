"""Proof: keys, certificates, passwords, second factors, tokens. The one door to cryptography.

Everything here takes and gives plain things: text, bytes, our own structs. Nothing here stores or decides.
"""
