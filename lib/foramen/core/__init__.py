"""What every other package stands on and no notebook is about: errors, atomic files, paths, tables as files, the device
and its precision, the geometry of sampling (`affine_grid`, `grid_sample`), the one loop that trains every
network, showing source in a notebook.
"""
