"""Results of evaluations: their forms, and their place in the repository."""
