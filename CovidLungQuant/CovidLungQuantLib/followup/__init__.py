"""Examinations of one patient at several dates: lungs registered, lesions matched, burden over time."""
