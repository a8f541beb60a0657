//! What is looked at before a scan: file type, size, magic, footer, header, quotes, encoding.
