"""Coverage-guided fuzzing of everything that reads what others wrote: `make fuzz`, or `python -m fuzz`."""
