//! The composition root: opens the store, builds the services, starts runtime, http and api; stops them in order.
