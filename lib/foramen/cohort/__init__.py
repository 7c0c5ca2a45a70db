"""The cohort (notebook 01): from a user's table and files, or the phantom, to one table, one array and one split.

`adapters` read published layouts into a table, `manifest` checks it, `findings` judges table and files, `check` prints
that before anything runs, `split` assigns patients once, `privacy` puts pseudonyms in place of names, `step` makes and
loads it all, `audit` tells notebook 01 what is in it.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submodules=["adapters", "audit", "check", "privacy", "step"],
    submod_attrs={"loading": ["Cohort"], "split": ["assign_split", "held_out"]},
)
