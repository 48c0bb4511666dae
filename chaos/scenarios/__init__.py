"""One fault a module, each with `run(scale) -> list[Figure]`."""
