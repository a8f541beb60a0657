//! Logistic regression (linfa-logistic), binary and multinomial.
