"""Whole clusters for journeys: real processes on free loopback ports in temporary folders, stopped by their id."""
