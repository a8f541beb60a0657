//! One table of bindings: dispatch, footer and help.
