//! The pane: what it shows at each size, what keys do.
