"""What a user runs once on a machine: tiny checkpoints compiled, served and compared with transformers, case by case.

Nothing here is used while a model is served. A case runs in processes of its own, so that a crash costs the case.
"""
