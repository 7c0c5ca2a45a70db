"""The report of a study: one page with the results first (`index`), a page for each executed notebook (`pages`), the
tables of the README (`readme`). It computes nothing: every number stands in a table beside it.
"""
