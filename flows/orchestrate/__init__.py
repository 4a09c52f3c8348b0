"""Prefect: flows, tasks, jobs and their runners."""
