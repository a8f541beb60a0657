//! The only mutation.
