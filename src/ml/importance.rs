//! Permutation importance of inputs, for any model.
