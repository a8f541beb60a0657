//! What a job holds on to: progress, cancel, checkpoint, outcome.
