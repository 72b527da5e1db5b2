"""Verdicts in words, for all who say or read them."""

# In the order of what to do.
GOOD, CARE, BAD = "fit for use", "use with care", "do not use"
# As `report.fail_on` spells them.
KEYS = {"use_with_care": (CARE, BAD), "do_not_use": (BAD,)}
