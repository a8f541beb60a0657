//! Claims queued jobs, follows their folders into the store, takes outcomes in, once.
