//! Gaussian naive Bayes (linfa-bayes).
