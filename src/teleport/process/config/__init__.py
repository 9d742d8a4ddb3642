"""The file `teleport.yaml`, versions v1 to v3: read strictly, checked, and merged with the command line."""

from teleport.process.config.load import CommandLine, load_settings
from teleport.process.config.settings import Settings

__all__ = ["CommandLine", "Settings", "load_settings"]
