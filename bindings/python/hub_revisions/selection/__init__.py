"""Which revision is the best, and making it `main`.

`best` has it all; it is not loaded from here, since every training needs `rule`, and few the rest.
"""
