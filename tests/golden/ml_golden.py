"""Golden values of src/ml from scikit-learn (1.9.1, numpy 2.4.6, pandas 3.1.1).

    python tests/golden/ml_golden.py DIRECTORY_WITH_THE_SMALL_CSV_FILES tests/fixtures/ml

The CSV files are breast_cancer, wine, diabetes (from scikit-learn) and penguins (from palmerpenguins).
Fixtures hold the rows that were used, so that the Rust tests need nothing else.
"""

import json
import pathlib
import sys
import warnings

import numpy as np
import pandas as pd
from sklearn import metrics
from sklearn.ensemble import (
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
    RandomForestClassifier,
    RandomForestRegressor,
)
from sklearn.linear_model import ElasticNet, Lasso, LinearRegression, LogisticRegression, Ridge
from sklearn.naive_bayes import GaussianNB
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

warnings.filterwarnings("ignore")
SMALL, OUT = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2])


def write(name, value):
    def plain(x):
        if isinstance(x, np.ndarray):
            return [plain(y) for y in x]
        if isinstance(x, (list, tuple)):
            return [plain(y) for y in x]
        if isinstance(x, dict):
            return {k: plain(v) for k, v in x.items()}
        if isinstance(x, (float, np.floating)):
            return None if np.isnan(x) else float(f"{x:.10g}")
        if isinstance(x, np.integer):
            return int(x)
        return x

    (OUT / name).write_text(json.dumps(plain(value), separators=(",", ":")) + "\n")


def columns(frame):
    return {c: list(frame[c].where(frame[c].notna(), None)) for c in frame}


def scores():
    rng = np.random.default_rng(7)
    y = rng.integers(0, 2, 120)
    p = np.round(np.clip(0.35 * y + rng.uniform(0, 0.65, 120), 0, 1), 1)  # many ties
    binary = {
        "truth": y,
        "scores": p,
        "roc_auc": metrics.roc_auc_score(y, p),
        "average_precision": metrics.average_precision_score(y, p),
        "log_loss": metrics.log_loss(y, p),
        "brier_score": metrics.brier_score_loss(y, p),
        "accuracy": metrics.accuracy_score(y, p >= 0.5),
        "f1": metrics.f1_score(y, p >= 0.5),
        "precision": metrics.precision_score(y, p >= 0.5),
        "recall": metrics.recall_score(y, p >= 0.5),
    }
    y = rng.integers(0, 3, 90)
    p = rng.dirichlet([1, 1, 1], 90) + 0.5 * np.eye(3)[y]
    p /= p.sum(axis=1, keepdims=True)
    several = {
        "truth": y,
        "shares": p,
        "accuracy": metrics.accuracy_score(y, p.argmax(axis=1)),
        "log_loss": metrics.log_loss(y, p),
        "f1_macro": metrics.f1_score(y, p.argmax(axis=1), average="macro"),
        "roc_auc_ovr": metrics.roc_auc_score(y, p, multi_class="ovr"),
    }
    y = rng.normal(size=50)
    p = y + rng.normal(size=50)
    numbers = {
        "truth": y,
        "answers": p,
        "rmse": metrics.root_mean_squared_error(y, p),
        "mae": metrics.mean_absolute_error(y, p),
        "r2": metrics.r2_score(y, p),
    }
    write("metrics.json", {"binary": binary, "multiclass": several, "regression": numbers})


def standardised(model):
    return make_pipeline(StandardScaler(), model)


def linear():
    diabetes = pd.read_csv(SMALL / "diabetes.csv")
    x, y = diabetes.drop(columns="progression"), diabetes["progression"]
    fits = {
        "linear": standardised(LinearRegression()),
        "elastic_net": standardised(ElasticNet(alpha=0.5, l1_ratio=0.5, tol=1e-10, max_iter=100000)),
        "lasso": standardised(Lasso(alpha=1.0, tol=1e-10, max_iter=100000)),
        "ridge": standardised(Ridge(alpha=0.5 * len(x))),
    }
    write(
        "diabetes.json",
        {
            "inputs": columns(x),
            "target": list(y),
            "answers": {k: m.fit(x, y).predict(x) for k, m in fits.items()},
        },
    )


def classes():
    for name, target, keep in [
        ("breast_cancer", "diagnosis", lambda c: c.startswith("mean_")),
        ("wine", "cultivar", lambda c: True),
    ]:
        frame = pd.read_csv(SMALL / f"{name}.csv")
        y = frame[target].astype(str)
        x = frame.drop(columns=target)
        x = x[[c for c in x if keep(c)]]
        fits = {
            "logistic": standardised(LogisticRegression(C=1.0, tol=1e-10, max_iter=10000)),
            "logistic_strong": standardised(LogisticRegression(C=0.01, tol=1e-10, max_iter=10000)),
            "bayes": standardised(GaussianNB()),
        }
        write(
            f"{name}.json",
            {
                "inputs": columns(x),
                "target": list(y),
                "probabilities": {k: m.fit(x, y).predict_proba(x).ravel() for k, m in fits.items()},
            },
        )


def trees():
    """Quality on every third row after learning from the others."""
    result = {}
    for name, target in [("breast_cancer", "diagnosis"), ("wine", "cultivar"), ("diabetes", "progression")]:
        frame = pd.read_csv(SMALL / f"{name}.csv")
        if name == "breast_cancer":
            frame = frame[[c for c in frame if c.startswith("mean_") or c == target]]
        result[name] = quality(frame.drop(columns=target), frame[target], target == "progression")
    penguins = pd.read_csv(SMALL / "penguins.csv")
    for target in ["species", "body_mass_g"]:
        frame = penguins[penguins[target].notna()]
        x = frame.drop(columns=target)
        result[f"penguins_{target}"] = quality(x, frame[target], target == "body_mass_g")
    write("trees.json", result)
    write("penguins.json", {"inputs": columns(penguins)})


def quality(x, y, number):
    text = [c for c in x if not pd.api.types.is_numeric_dtype(x[c])]
    x = x.copy()
    for c in text:
        x[c] = x[c].astype("category")
    test = np.arange(len(x)) % 3 == 0
    ordinals = x.copy()
    for c in text:
        ordinals[c] = x[c].cat.codes
    boosting = HistGradientBoostingRegressor if number else HistGradientBoostingClassifier
    forest = RandomForestRegressor if number else RandomForestClassifier
    sampled = {"max_features": 1 / 3} if number else {}
    fits = {
        "boosting": (boosting(categorical_features=text, random_state=0), x),
        "random_forest": (
            forest(min_samples_leaf=3, random_state=0, **sampled),
            ordinals.fillna(ordinals.median()),
        ),
    }
    out = {}
    for name, (model, inputs) in fits.items():
        model.fit(inputs[~test], y[~test])
        if number:
            out[name] = {"rmse": metrics.root_mean_squared_error(y[test], model.predict(inputs[test]))}
        else:
            p = model.predict_proba(inputs[test])
            out[name] = {
                "accuracy": metrics.accuracy_score(y[test], model.predict(inputs[test])),
                "log_loss": metrics.log_loss(y[test], p, labels=model.classes_),
            }
    return out


scores()
linear()
classes()
trees()
