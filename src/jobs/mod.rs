//! The work itself, in a worker process: reads its spec and its data files, writes its folder. No
//! store, no network.

pub mod ctx;
