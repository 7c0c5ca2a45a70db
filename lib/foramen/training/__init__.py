"""How a classifier is trained (notebook 05), with the one loop `fit` and its schedule of `core.training_loop`.

`backbone` holds the networks, `hub` and `packaged` say where their weights come from, and `classifier` is the network
of an arm. `fine_tuning`, `linear_probe` and `pretraining` are three ways to train, and
`checkpoints` lets each be killed and resumed. `step` keeps pre-trained weights for a study.
"""
