"""A populated playground: synthetic studies of patients that do not exist."""
