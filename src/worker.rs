//! `trainyard worker DIR`: runs one job in its folder.
