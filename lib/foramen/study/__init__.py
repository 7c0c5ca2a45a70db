"""The study file and what follows from it: its model, loading, sweeps, provenance, and how a stage makes its result.

Every notebook begins with `load`. Nothing here imports torch or pandas.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__, submod_attrs={"loading": ["dump", "load"], "model": ["Arm", "Run", "Study"], "step": ["make"]}
)
