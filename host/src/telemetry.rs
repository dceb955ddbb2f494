//! Where the log goes, and how it looks.

use std::io::{self, IsTerminal as _};

use clap::{Args, ValueEnum};
use tracing_subscriber::{EnvFilter, filter::ParseError};

/// How the log is written.
#[derive(Args, Clone, Debug)]
pub struct TelemetryOptions {
    /// How lines of the log look
    #[arg(
        long,
        global = true,
        env = "OPERLET_LOG_FORMAT",
        value_name = "FORMAT",
        value_enum,
        default_value_t = LogFormat::Text,
        help_heading = "Log",
        display_order = 100
    )]
    pub log_format: LogFormat,

    /// What is logged: a level, or a level for each part, such as
    /// "info,guest=debug" (what components write is the part "guest")
    #[arg(
        long = "log",
        global = true,
        env = "OPERLET_LOG",
        value_name = "FILTER",
        default_value = "info",
        value_parser = parse_filter,
        help_heading = "Log",
        display_order = 101
    )]
    pub log_filter: String,
}

/// How lines of the log look.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// For people.
    Text,
    /// For programs: one JSON object a line.
    Json,
}

/// What is said again by the host itself, in words for people; a filter that
/// names it goes before this.
const QUIET: &str = "kube_runtime::watcher=error";

/// Starts the log, on standard error; standard output is for what was asked for.
/// Once it is started, further calls do nothing.
pub fn start(options: &TelemetryOptions) {
    // It was parsed before, when the arguments were.
    let filter = EnvFilter::try_new(format!("{QUIET},{}", options.log_filter)).unwrap_or_default();
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(io::stderr)
        .with_ansi(io::stderr().is_terminal());
    // The only error is that somebody started a log already.
    let _ = match options.log_format {
        LogFormat::Text => builder.try_init(),
        LogFormat::Json => builder.json().flatten_event(true).try_init(),
    };
}

fn parse_filter(text: &str) -> Result<String, ParseError> {
    EnvFilter::try_new(text).map(|_| text.to_owned())
}
