"""What tells users that their input is faulty: `user_tables.faults`, for study files, images and weights, too."""

from user_tables.faults import InputError, each, first_few, nearest, raise_any

__all__ = ["InputError", "each", "first_few", "nearest", "raise_any"]
