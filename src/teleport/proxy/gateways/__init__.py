"""What stands behind the single port, one file a gateway."""
