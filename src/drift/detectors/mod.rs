//! Streaming detectors: they see one number at a time and say when the law behind it changed.
