"""What a finished study needs to be published: manuscript, reporting checklists, cards of model and data, an RO-Crate.

`step.prepare` (`foramen publication STUDY`) reads the tables, figures and run.json files of a study whose report is
made, and writes beside the report. It computes nothing: every number is read. `repository` writes the repository's own
metadata from CITATION.cff.
"""
