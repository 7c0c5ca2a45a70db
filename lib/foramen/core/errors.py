"""The one exception that tells a reader what is wrong with what they gave us."""


class InputError(Exception):
    """Faulty input: a study file, a manifest, an image, a predictions table or a weights file.

    `faults` holds one line each, naming file, row or key; all faults are collected before it is raised, so that a
    reader mends everything in one go. The command line prints the lines and exits with 1; no traceback is shown.
    """

    def __init__(self, faults: list[str] | str):
        self.faults = [faults] if isinstance(faults, str) else list(faults)
        super().__init__("\n".join(self.faults))
