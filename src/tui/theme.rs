//! Colours, signs and frames; monochrome and ASCII too.
