//! Who starts a worker, and asks how it is.
