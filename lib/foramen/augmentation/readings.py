"""Sentences of notebook 03 that read its numbers."""

import pandas as pd


def audit(flip: dict, arms: dict[str, str]) -> str:
    """Is a flip safe for the label, and what do the arms ask for? `flip` is flip.json; `arms`: arm, its flip."""
    depends = "**depends**" if flip["label_depends_on_side"] else "does **not** depend"
    asking = [name for name, kind in arms.items() if kind == "canonical"]
    mirrored = flip["mirrored_by_canonical"] if asking else 0
    return (
        f"The label {depends} on the side (source: {flip['declared_by']}); the target of a mirrored radiograph is "
        f"`{flip['label_of_a_mirrored_image']}`. {len(asking)} of {len(arms)} arms ask for the canonical flip, which "
        f"mirrors {mirrored:,} of {sum(flip['sides'].values()):,} radiographs."
    )


def side(read: pd.Series | None, right: pd.Series) -> str:
    """How often the side is read; `read`: accuracy by case, None without two sides; `right` (n,) bool of validation."""
    if read is None:
        return "The manifest does not name two sides, so there is nothing to measure."
    majority = max(right.mean(), 1 - right.mean())
    return (
        f"The side is read correctly on {read.iloc[0]:.0%} of {len(right):,} validation radiographs as acquired and on "
        f"{read.iloc[3]:.0%} after the canonical flip; the majority-class baseline is {majority:.0%}. Mirroring "
        f"without swapping the side ({read.iloc[2]:.0%}) is the pitfall: the manifest then says what the image no "
        "longer shows."
    )
