//! The six panes, one file each.
