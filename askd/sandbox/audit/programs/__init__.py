"""The programs of the audit, by category."""
