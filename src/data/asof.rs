//! The point-in-time join: for each row the newest feature row that was there by its instant (contract R1 to R9).
