//! The `dulse` program: everything is in the library.

fn main() -> std::process::ExitCode {
    dulse::cli::main()
}
