"""Accounts of this host that come and go with sessions, or that the cluster always wants here."""
