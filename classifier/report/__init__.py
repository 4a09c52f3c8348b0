"""The comparison part of the report."""
