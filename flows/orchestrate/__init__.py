"""Prefect: flows, tasks, jobs and who runs them."""
