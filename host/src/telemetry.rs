//! Where the log goes, and how it looks.

use std::{
    fmt::Display,
    io::{self, IsTerminal as _},
};

use clap::{Args, ValueEnum};
use tracing::{Span, Subscriber, error_span};
use tracing_subscriber::{EnvFilter, filter::ParseError, fmt::MakeWriter, util::SubscriberInitExt as _};

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

/// What is said again by the host itself, in words for people, is left out, and
/// what lines are about is always told; a filter that names these goes before this.
const ALWAYS: &str = "kube_client=off,kube_runtime::watcher=error,operlet::telemetry=error";

/// Starts the log, on standard error; standard output is for what was asked for.
/// Once it is started, further calls do nothing.
pub fn start(options: &TelemetryOptions) {
    // The only error is that somebody started a log already.
    let _ = subscriber(options, io::stderr, io::stderr().is_terminal()).try_init();
}

/// What every line of an installation carries.
#[must_use]
pub fn installation_span(operlet: &str) -> Span {
    // As an error it passes every filter, so lines of any level carry it.
    error_span!(parent: None, "installation", %operlet)
}

/// What every line of a reconcile carries.
#[must_use]
pub fn reconcile_span(operlet: &str, digest_short: &str, resource: &dyn Display) -> Span {
    error_span!(parent: None, "reconcile", %operlet, digest = %digest_short, %resource)
}

fn subscriber<W>(options: &TelemetryOptions, writer: W, ansi: bool) -> Box<dyn Subscriber + Send + Sync>
where
    W: for<'w> MakeWriter<'w> + Send + Sync + 'static,
{
    // It was parsed before, when the arguments were.
    let filter = EnvFilter::try_new(format!("{ALWAYS},{}", options.log_filter)).unwrap_or_default();
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(writer).with_ansi(ansi);
    match options.log_format {
        LogFormat::Text => Box::new(builder.compact().finish()),
        LogFormat::Json => Box::new(
            builder.json().flatten_event(true).with_current_span(true).with_span_list(false).finish(),
        ),
    }
}

fn parse_filter(text: &str) -> Result<String, ParseError> {
    EnvFilter::try_new(text).map(|_| text.to_owned())
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;

    #[derive(Clone, Default)]
    struct Captured(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Captured {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    /// The line that is written in a span, without its time.
    fn line(log_format: LogFormat, filter: &str, span: fn() -> Span) -> String {
        let captured = Captured::default();
        let writer = captured.clone();
        let options = TelemetryOptions { log_format, log_filter: filter.to_owned() };
        tracing::subscriber::with_default(subscriber(&options, move || writer.clone(), false), || {
            span().in_scope(|| tracing::warn!(target: "part", count = 2, "told"))
        });
        String::from_utf8(captured.0.lock().unwrap().clone()).unwrap()
    }

    fn of_a_reconcile() -> Span {
        reconcile_span("things", "0123456789abcdef", &"Thing team/cache")
    }

    #[test]
    fn a_line_of_text_in_a_reconcile_says_of_which_it_is() {
        let line = line(LogFormat::Text, "info", of_a_reconcile);
        let (_, line) = line.split_once(' ').unwrap();
        assert_eq!(
            line.trim(),
            "WARN reconcile: part: told count=2 operlet=things digest=0123456789abcdef resource=Thing team/cache"
        );
    }

    #[test]
    fn a_line_of_json_in_a_reconcile_says_of_which_it_is() {
        let line = line(LogFormat::Json, "info", of_a_reconcile);
        let line: serde_json::Value = serde_json::from_str(&line).unwrap();
        assert_eq!(line["message"], "told");
        let expected = serde_json::json!({
            "name": "reconcile", "operlet": "things", "digest": "0123456789abcdef", "resource": "Thing team/cache",
        });
        assert_eq!(line["span"], expected);
    }

    #[test]
    fn a_line_carries_it_whatever_is_filtered() {
        for filter in ["warn", "error,part=warn", "part=warn"] {
            let line = line(LogFormat::Text, filter, || installation_span("things"));
            assert!(line.trim().ends_with("part: told count=2 operlet=things"), "{filter}: {line}");
        }
    }
}
