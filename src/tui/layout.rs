//! Rect -> named areas, pure.
