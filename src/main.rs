//! Parse, run, exit code.

fn main() -> std::process::ExitCode {
    trainyard::cli::main()
}
