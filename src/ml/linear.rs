//! Ordinary least squares (linfa-linear).
