//! Raw columns -> the dense matrix an estimator sees: imputation with indicators, scaling, one-hot categories.
