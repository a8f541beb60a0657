//! Feast-shaped look-ups of online features.
