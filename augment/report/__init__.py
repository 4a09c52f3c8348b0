"""The balance and fidelity parts of the report."""
