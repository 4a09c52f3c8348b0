"""The balance part of the report."""
