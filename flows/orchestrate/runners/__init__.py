"""What does jobs: this machine, a Ray cluster, Prefect workers."""
