"""A whole comparison: settings are selected on val, and test is opened once."""
