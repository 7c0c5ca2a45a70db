"""How a gain depends on the nuisance that a step should remove: the curves of a study's sweeps (notebook 06)."""

import pandas as pd

from foramen import cohort, predictions, resampling, statistics, sweeps, training
from foramen.study import Study

METRICS = ("accuracy", "auroc")


def curves(study: Study) -> pd.DataFrame:
    """The gain of each sweep's arm over its control at each factor, with a paired interval, in points.

    Columns `sweep, factor, arm, reference, metric, gain, low, high, p_value, reference_estimate, n_images, note`, where
    `reference_estimate` is the control's own result. A missing training is made; one whose
    transformer has collapsed is left out.
    """
    rows = []
    for (name, factor), member in sweeps.members(study).items():
        sweep = study.sweeps[name]
        for arm in (sweep.control, sweep.arm):
            for seed in member.seeds:
                training.prepare(member, arm, seed)
        frame = predictions.gather(member, cohort.load(member))
        frame = predictions.standing(frame, predictions.collapsed(member))
        pair = frame[frame["arm"].isin([sweep.control, sweep.arm])]
        resampled = resampling.resample(pair, study.evaluation.resamples, study.evaluation.seed)
        gained = statistics.steps(resampled, [(sweep.arm, sweep.control)])
        own = statistics.results(resampled).query("arm == @sweep.control").set_index("metric")
        gained = gained[gained["metric"].isin(METRICS)].assign(sweep=name, factor=factor)
        gained["reference_estimate"] = gained["metric"].map(own["estimate"])
        gained["n_images"] = gained["metric"].map(own["n_images"])
        rows.append(gained)
    columns = ["sweep", "factor", "arm", "reference", "metric", "gain", "low", "high", "p_value"]
    return pd.concat(rows, ignore_index=True)[[*columns, "reference_estimate", "n_images", "note"]]
