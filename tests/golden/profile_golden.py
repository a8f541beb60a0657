"""Golden values for src/data/profile, made by the reference libraries.

Needs numpy, pandas, scipy and scikit-learn. Writes tests/fixtures/profile/rows.csv and golden.json; run it
from the root of the repository: python tests/golden/profile_golden.py
"""

import json
import math
import pathlib

import numpy as np
import pandas as pd
from scipy import stats
from sklearn.metrics import mutual_info_score, roc_auc_score

OUT = pathlib.Path("tests/fixtures/profile")
OUT.mkdir(parents=True, exist_ok=True)
rng = np.random.default_rng(20131)
ROWS = 1200
SHARES = [0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99]

late = rng.random(ROWS) < 0.3
table = pd.DataFrame(
    {
        "delay": np.round(rng.gamma(2.0, 9.0, ROWS) - 6 + 12 * late, 3),
        "hour": rng.integers(0, 24, ROWS),
        "tiny": rng.normal(1e9, 1e-3, ROWS),
        "gaps": np.where(rng.random(ROWS) < 0.2, np.nan, rng.normal(0, 1, ROWS) ** 3),
        "grade": np.where(late, rng.choice(list("abc"), ROWS, p=[0.6, 0.3, 0.1]), rng.choice(list("abc"), ROWS)),
        "late": late,
    }
)
table.to_csv(OUT / "rows.csv", index=False)
table = pd.read_csv(OUT / "rows.csv")


def described(values):
    values = values.dropna().to_numpy(float)
    counts, edges = np.histogram(values, bins=20)
    return {
        "count": len(values),
        "distinct": len(np.unique(values)),
        "min": values.min(),
        "max": values.max(),
        "mean": values.mean(),
        "std": values.std(ddof=1),
        "skewness": float(stats.skew(values)),
        "quantiles": list(np.quantile(values, SHARES)),
        "histogram": counts.tolist(),
        "edges": edges.tolist(),
    }


def bins(values):
    """Twenty bins of equal counts: edges are the numbers at every twentieth of the sorted ones."""
    known = np.sort(values[~np.isnan(values)])
    edges = np.unique(known[[at * len(known) // 20 for at in range(1, 20)]])
    return np.searchsorted(edges, values, side="right"), len(edges) + 1


def signal(column):
    values = table[column]
    known = values.notna().to_numpy()
    y = table["late"].to_numpy()[known].astype(int)
    if values.dtype == object or str(values.dtype).startswith("str"):
        codes = pd.factorize(values[known])[0]
    else:
        codes = bins(values[known].to_numpy(float))[0]
    joint = pd.crosstab(codes, y).to_numpy()
    n = joint.sum()
    bias = ((joint > 0).sum() - (joint.sum(1) > 0).sum() - (joint.sum(0) > 0).sum() + 1) / (2 * n)
    entropy = stats.entropy(joint.sum(0))
    between = sum(len(y[codes == code]) * (y[codes == code].mean() - y.mean()) ** 2 for code in np.unique(codes))
    answer = {
        "information": max(0.0, (mutual_info_score(codes, y) - bias) / entropy),
        "ratio": between / ((y - y.mean()) ** 2).sum(),
    }
    if column != "grade":
        auc = roc_auc_score(y, values[known])
        answer["auc"] = max(auc, 1 - auc)
    return answer


numeric = ["delay", "hour", "tiny", "gaps"]
golden = {
    "columns": {name: described(table[name]) for name in numeric},
    "top": {"grade": table["grade"].value_counts().sort_index().to_dict()},
    "correlation": float(table["delay"].corr(table["hour"])),
    "signal": {name: signal(name) for name in ["delay", "hour", "gaps", "grade"]},
}
assert all(math.isfinite(x) for one in golden["signal"].values() for x in one.values())
(OUT / "golden.json").write_text(json.dumps(golden, indent=1) + "\n")
