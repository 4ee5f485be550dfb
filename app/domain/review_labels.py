"""Labels beside the ten digits."""

NOT_A_DIGIT = 10
SKIPPED = 11  # no label: the image goes to another reviewer
ERASED = 12  # its owner erased it before it was labeled
