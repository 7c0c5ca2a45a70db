"""The stage of notebook 05: one training of a study, an arm with a seed. The method is in `foramen.training`."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(__name__, submod_attrs={"step": ["load_model", "prepare"]})
