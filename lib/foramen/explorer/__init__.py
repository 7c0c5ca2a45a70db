"""A study to look into: the case explorer, one HTML page of radiographs, layers and scores (`foramen explore`), and
what is moved by hand in JupyterLab (`live`). Nothing that is reported depends on them.
"""
