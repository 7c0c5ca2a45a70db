"""The cohort (notebook 01): from a user's table and files, or the phantom, to one table, one array and one split.

What reads, checks and splits a table of radiographs is `labelled_radiographs`. Here `step` makes a study's cohort with
it and loads it (`loading`), `check` lists what is wrong before anything runs, `audit` tells notebook 01 what is in it,
`privacy` keeps names of patients and files out of what others see.
"""
