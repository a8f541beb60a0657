//! What panes are made of: charts, tables, forms, dialogs.
