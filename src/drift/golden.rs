//! Golden values from scipy, Evidently and River.
