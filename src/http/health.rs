//! `/health`, `/version`, `/metrics`.
