"""Tables as users keep them (CSV, Excel, parquet), read as text, and what is wrong with them told in words.

    from user_tables import InputError, read_table

    try:
        table = read_table("films/manifest.xlsx")  # every cell a text, the index the row as a spreadsheet numbers it
    except InputError as error:
        print("; ".join(error.faults))

- `reading`: from a file to a table of texts
- `faults`: the exception that names file, row or key in one line for each fault, and how such lines are put together
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={"faults": ["InputError", "each", "first_few", "nearest", "raise_any"], "reading": ["read_table"]},
)
