"""Many jobs together: a summary of each attempt, failures that are alike, and whether they have a common cause.

`summary` and `signature` are stdlib alone, since every runner uses them at its end; `verdict` and `table` bring numpy and pandas.
"""
