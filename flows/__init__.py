"""Orchestration: the only room that sees both others, and the only one with Prefect."""
