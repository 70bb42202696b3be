"""Numbers a reviewer can't pick apart: intervals over subjects, and gaps that are valid when there is no gap.

Everything rests on sums and counts by subject and group, for all measures at once, and is in closed form: the same
input gives the same figures, and doubling every picture of everybody changes none.
"""
