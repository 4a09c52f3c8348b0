"""Training one trial: an arm, a seed and a setting."""
