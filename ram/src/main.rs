//! The `ram` program: parses the command line, calls the library and turns errors into exit codes.
#![forbid(unsafe_code)]

mod cli;

fn main() -> std::process::ExitCode {
    cli::main()
}
