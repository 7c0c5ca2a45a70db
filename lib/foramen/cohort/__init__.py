"""The cohort (notebook 01): from a user's table and files, or the phantom, to one table, one array and one split.

`adapters` read published layouts into a table, `manifest` checks it, `findings` judges table and files, `check` prints
that before anything runs, `split` assigns patients once, `privacy` puts pseudonyms in place of names, `step` makes and
loads it all, `audit` tells notebook 01 what is in it.
"""
