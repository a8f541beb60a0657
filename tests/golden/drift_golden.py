"""Golden values for src/drift, made by the reference libraries.

Needs scipy, numpy, pandas, evidently 0.7 and river 0.26. Writes tests/fixtures/drift/*.json; run it
from the root of the repository: python tests/golden/drift_golden.py
"""

import json
import math
import pathlib
import random
import warnings

import numpy as np
import pandas as pd
from evidently.legacy.calculations.stattests import (
    chi_stat_test,
    hellinger_stat_test,
    jensenshannon_stat_test,
    kl_div_stat_test,
    psi_stat_test,
    wasserstein_stat_test,
    z_stat_test,
)
from evidently.legacy.core import ColumnType
from river import drift
from scipy import stats

warnings.simplefilter("ignore")
OUT = pathlib.Path("tests/fixtures/drift")
rng = np.random.default_rng(20131)


def number(x):
    x = float(x)
    return x if math.isfinite(x) else None


def evidently(test, reference, current, kind):
    answer = test.func(pd.Series(reference), pd.Series(current), kind, 0.1)
    return number(answer[0])


def psi_quantile10(reference, current):
    edges = np.unique(np.quantile(reference, np.linspace(0, 1, 11)))
    if len(edges) < 3:
        return None
    edges[0], edges[-1] = -np.inf, np.inf
    shares = []
    for side in (reference, current):
        counts = pd.cut(pd.Series(side), edges, right=True).value_counts(sort=False)
        shares.append(np.maximum(counts.to_numpy() / len(side), 1e-4))
    p, q = shares
    return number(np.sum((p - q) * np.log(p / q)))


def numeric(name, reference, current):
    reference, current = np.asarray(reference, float), np.asarray(current, float)
    ks = stats.ks_2samp(reference, current)
    num = ColumnType.Numerical
    welch = stats.ttest_ind(current, reference, equal_var=False).statistic
    return {
        "name": name,
        "reference": reference.tolist(),
        "current": current.tolist(),
        "expected": {
            "ks": number(ks.statistic),
            "ks_p": number(ks.pvalue),
            "psi": evidently(psi_stat_test, reference, current, num),
            "psi_quantile10": psi_quantile10(reference, current),
            "kl": evidently(kl_div_stat_test, reference, current, num),
            "jensen_shannon": evidently(jensenshannon_stat_test, reference, current, num),
            "hellinger": evidently(hellinger_stat_test, reference, current, num),
            "wasserstein": evidently(wasserstein_stat_test, reference, current, num),
            "mean_z": number(welch),
        },
    }


def merged(table):
    """Categories expected fewer than 5 times on a side become one."""
    expected = stats.contingency.expected_freq(table)
    rare = (expected < 5).any(axis=0)
    if not rare.any():
        return table
    together = table[:, rare].sum(axis=1, keepdims=True)
    kept = table[:, ~rare]
    if (stats.contingency.expected_freq(np.hstack([kept, together]))[:, -1] < 5).any():
        kept[:, [kept.sum(axis=0).argmin()]] += together
        return kept
    return np.hstack([kept, together])


def category(name, reference, current):
    labels = sorted(set(reference) | set(current))
    r = np.array([reference.count(label) for label in labels], float)
    c = np.array([current.count(label) for label in labels], float)
    p, q = r / r.sum(), c / c.sum()
    cat = ColumnType.Categorical
    expected = {
        "psi": evidently(psi_stat_test, reference, current, cat),
        "kl": evidently(kl_div_stat_test, reference, current, cat),
        "jensen_shannon": evidently(jensenshannon_stat_test, reference, current, cat),
        "hellinger": evidently(hellinger_stat_test, reference, current, cat),
        "chi_square_p": evidently(chi_stat_test, reference, current, cat),
        "total_variation": number(np.abs(p - q).sum() / 2),
        "l_infinity": number(np.abs(p - q).max()),
        "chi_square_contingency_p": number(
            stats.chi2_contingency(merged(np.vstack([r, c])), correction=False).pvalue
        ),
    }
    if len(labels) == 2:
        expected["z_proportions_p"] = evidently(z_stat_test, reference, current, cat)
    return {"name": name, "reference": reference, "current": current, "expected": expected}


def rounded(values, digits=4):
    return np.round(values, digits)


def tests():
    columns = [
        numeric("normal, same law, equal sizes", rounded(rng.normal(size=120)), rounded(rng.normal(size=120))),
        numeric("normal, shifted", rounded(rng.normal(size=150)), rounded(rng.normal(0.6, 1.2, size=95))),
        numeric("skewed with an outlier", rounded(rng.exponential(10, 200)), rounded(np.append(rng.exponential(12, 130), 900.0))),
        numeric("whole numbers with ties", rng.poisson(3, 140), rng.poisson(4, 110)),
        numeric("mostly zero", rounded(rng.exponential(1, 160) * (rng.random(160) < 0.3), 2), rounded(rng.exponential(1, 140) * (rng.random(140) < 0.5), 2)),
        numeric("few rows, exact p", rounded(rng.normal(size=9)), rounded(rng.normal(1.5, size=14))),
    ]
    pick = random.Random(7)
    carriers = ["UA", "AA", "DL", "B6", "EV", ""]
    categories = [
        category("six categories", pick.choices(carriers, [30, 20, 20, 15, 14, 1], k=400), pick.choices(carriers, [20, 20, 25, 15, 18, 2], k=300)),
        category("two categories", pick.choices(["no", "yes"], [7, 3], k=250), pick.choices(["no", "yes"], [6, 4], k=180)),
        category("same shares", ["a", "b", "c"] * 40, ["a", "b", "c"] * 30),
    ]
    json.dump({"numbers": columns, "categories": categories}, open(OUT / "tests.json", "w"))


def tails():
    kolmogorov = []
    for n, d in [(5, 0.3), (20, 0.2), (100, 0.08), (100, 0.15), (139, 0.3), (500, 0.03), (500, 0.05),
                 (500, 0.08), (5_000, 0.01), (5_000, 0.02), (11_489, 0.006), (11_489, 0.012), (11_489, 0.03),
                 (60_000, 0.004), (60_000, 0.01), (30, 0.6)]:
        kolmogorov.append([n, d, float(stats.kstwo.sf(d, n))])
    chi = [[x, df, float(stats.chi2.sf(x, df))] for x, df in [(0.5, 1), (3.84, 1), (12.0, 5), (40.0, 5), (200.0, 30), (25.0, 30)]]
    normal = [[z, float(2 * stats.norm.sf(abs(z)))] for z in [0.0, 0.3, -1.96, 4.5, 12.0]]
    two_sample = []
    for m, n, shift in [(200, 300, 0.05), (1_000, 1_000, 0.08), (900, 1_400, 0.1), (10_001, 3_000, 0.01), (10_001, 12_000, 0.05), (2_000, 3_000, 0.2)]:
        # Spread evenly, so that the values need not be stored: (i + 0.5) / m against ((j + 0.5) / n)^(1 + shift).
        a = (np.arange(m) + 0.5) / m
        b = ((np.arange(n) + 0.5) / n) ** (1 + shift)
        ks = stats.ks_2samp(a, b)
        two_sample.append([m, n, shift, float(ks.statistic), float(ks.pvalue)])
    json.dump({"kolmogorov": kolmogorov, "chi_square": chi, "normal": normal, "two_sample": two_sample}, open(OUT / "tails.json", "w"))


def detectors():
    pick = random.Random(11)
    level = [round(pick.gauss(0, 1), 3) for _ in range(700)] + [round(pick.gauss(1.5, 1), 3) for _ in range(700)] + [
        round(pick.gauss(-0.5, 2), 3) for _ in range(600)]
    errors = [int(pick.random() < p) for p in [0.15] * 800 + [0.45] * 500 + [0.08] * 900 + [0.4] * 500]
    cases = []

    def case(name, detector, values, **ours):
        drifts, warned = [], []
        for i, x in enumerate(values):
            detector.update(x)
            if detector.drift_detected:
                drifts.append(i)
            elif getattr(detector, "warning_detected", False):
                warned.append(i)
        starts = [i for i in warned if i - 1 not in warned]
        cases.append({"detector": name, "parameters": ours, "stream": "errors" if values is errors else "level",
                      "drifts": drifts, "warnings": starts})

    case("adwin", drift.ADWIN(), level)
    case("adwin", drift.ADWIN(delta=0.2, clock=8, max_buckets=3, min_window_length=3, grace_period=20), level,
         delta=0.2, clock=8, max_buckets=3, min_window_length=3, grace_period=20)
    case("adwin", drift.ADWIN(), errors)
    case("page_hinkley", drift.PageHinkley(), level)
    case("page_hinkley", drift.PageHinkley(threshold=20, delta=0.05, mode="up"), level, threshold=20, delta=0.05, direction=1)
    case("page_hinkley", drift.PageHinkley(threshold=20, mode="down"), level, threshold=20, direction=-1)
    case("ddm", drift.binary.DDM(), errors)
    case("ddm", drift.binary.DDM(warm_start=50, drift_threshold=4.0), errors, warm_start=50, drift_threshold=4.0)
    case("eddm", drift.binary.EDDM(), errors)
    case("eddm", drift.binary.EDDM(alpha=0.9, beta=0.7), errors, alpha=0.9, beta=0.7)
    case("hddm_a", drift.binary.HDDMA(), errors)
    case("hddm_a", drift.binary.HDDMA(two_sided_test=True), errors, two_sided=1)
    case("hddm_w", drift.binary.HDDMW(), errors)
    case("hddm_w", drift.binary.HDDMW(lambda_val=0.1, two_sided_test=True), errors, two_sided=1, **{"lambda": 0.1})
    # With a draw of as many as there are, the draw does not depend on the generator.
    case("kswin", drift.KSWIN(alpha=0.0001, window_size=60, stat_size=30, seed=1), level, window_size=60, stat_size=30)
    case("kswin", drift.KSWIN(alpha=0.005, window_size=200, stat_size=100, seed=1), level, alpha=0.005, window_size=200, stat_size=100)
    json.dump({"level": level, "errors": errors, "cases": cases}, open(OUT / "detectors.json", "w"))


OUT.mkdir(parents=True, exist_ok=True)
tests()
tails()
detectors()
