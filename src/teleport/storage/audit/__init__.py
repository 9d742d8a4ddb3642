"""How the audit log is kept: its files, its lines, its index, its writer. Used through teleport.storage.audit_log."""
