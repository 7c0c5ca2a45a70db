"""Sentences of notebook 04 that read its numbers."""

import pandas as pd


def arm(name: str, way: str, seed: int, images: int) -> str:
    """Which transformer is looked at."""
    return (
        f"Arm **{name}** (`stn: {way}`), seed **{seed}**: {images:,} training radiographs; only the way `joint` uses "
        "their labels."
    )


def verdict(facts: dict) -> str:
    """Has the transformer collapsed? `facts` as `diagnose` returns them."""
    collapsed = "has **collapsed**" if facts["collapsed"] else "has not collapsed"
    return (
        f"On {facts['images']:,} validation radiographs the transformer reads {facts['det']:.0%} of a radiograph's "
        f"area, with {facts['outside']:.1%} of the output beyond the image. By the rule it {collapsed}."
    )


def recovery(facts: dict) -> str:
    """Which part of the known pose is found best and worst."""
    found = facts.get("recovery")
    if not found:
        return "No true poses are known, or the arm has no localisation network: there is nothing to compare with."
    best, worst = max(found, key=found.get), min(found, key=found.get)
    text = f"Recovered best: {best} (r = {found[best]:.2f}); worst: {worst} (r = {found[worst]:.2f})."
    if facts["collapsed"]:
        text += " But the transformer has collapsed and hardly differs between images: the correlations mean nothing."
    return text


def in_view(shares: dict[str, float] | None) -> str:
    """On how many radiographs each transformer keeps all foramina; None where no foramina are known."""
    if shares is None:
        return "This cohort does not know where its foramina are."
    listed = ", ".join(f"{name} {share:.0%}" for name, share in shares.items())
    return f"All foramina in view, share of validation radiographs: {listed}."


def ways(table: pd.DataFrame) -> str:
    """What became of each way of training; `table` as `compare` returns it."""
    collapsed = ", ".join(f"`{way}`" for way in table["way"][table["collapsed"]]) or "none"
    text = f"Collapsed within this budget: {collapsed}."
    recovered = table.set_index("way").filter(like="r_").astype(float).mean(axis=1).dropna()
    if len(recovered):
        listed = ", ".join(f"`{way}` {r:.2f}" for way, r in recovered.items())
        text += f" Mean recovery of the pose: {listed} (for a collapsed way it means nothing)."
    return text
