//! The command line: one file per group of subcommands; parses, asks the daemon, prints, exit code.
