"""From a study's trainings to its statements (notebooks 06 to 08): predictions tables, sweeps, saliency.

Predictions tables are those of `labelled_radiographs`, the statistics of `diagnostic_accuracy`, which know no study.
Methods here take such tables, arrays and networks; only `step` knows the study.
"""
