//! Elastic net (linfa-elasticnet).
