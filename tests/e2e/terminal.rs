//! The dashboard on a terminal: it opens, every pane shows, it ends cleanly, and what works behind it goes on.
