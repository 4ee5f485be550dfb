"""What a reviewer can say a picture shows: one of the ten digits, or one of these."""

NOT_A_DIGIT = 10
SKIPPED = 11  # no word, and the picture goes to somebody else
ERASED = 12  # its owner erased it before anybody could say
