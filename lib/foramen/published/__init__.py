"""Results of a finished study in one small file, so that others read and evaluate them without any training.

`archive` is the file: what it holds, with digests. `step` makes one of a study and unpacks one (`foramen archive`,
`foramen use-published`); notebooks 06, 07 and 09 then run without PyTorch, 08 where the archive has its network.
"""
