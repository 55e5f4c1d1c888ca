"""Local solvers: from given points to a local optimum."""
