"""Concrete backends. Only teleport.process names them; everything else holds a teleport.storage.backend.Backend."""
