"""The same study done wrong on purpose, and what each mistake is worth (notebook 09); signs of it in a table (`audit`).

Each pitfall is a function from predictions or arrays to one row (`outcome`): the number that the mistake gives, the
one that the right way gives, the truth, and the inflation with its interval. Only `step` knows the study.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submodules=[
        "audit",
        "audit_tables",
        "choices",
        "inference",
        "outcome",
        "pictures",
        "probe",
        "reported",
        "shortcuts",
        "splits",
    ],
)
