//! Validate, train, evaluate, gate, promote: five steps in order, its place kept in the store.
