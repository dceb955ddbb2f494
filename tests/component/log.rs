//! A component's lines reach the host's log, marked and bounded.

use std::{
    io,
    sync::{Arc, Mutex},
};

use tracing_subscriber::fmt::MakeWriter;

use crate::{behaviour::settled, load::load};

#[derive(Clone, Default)]
struct Captured(Arc<Mutex<Vec<u8>>>);

impl io::Write for Captured {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Captured {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

/// What the host logs during a call; on one thread, so that it catches all.
async fn log_of(behaviour: &str) -> Vec<String> {
    let captured = Captured::default();
    let subscriber = tracing_subscriber::fmt().with_writer(captured.clone()).with_ansi(false).finish();
    let _guard = tracing::subscriber::set_default(subscriber);
    settled(&load("misbehaving"), behaviour).await;
    let bytes = captured.0.lock().unwrap().clone();
    String::from_utf8(bytes).unwrap().lines().map(str::to_owned).collect()
}

#[tokio::test]
async fn a_hundred_lines_a_call_are_written_and_the_rest_is_counted() {
    let lines = log_of("flood").await;
    let written: Vec<_> = lines.iter().filter(|line| line.contains("guest: line ")).collect();
    assert_eq!(written.len(), 100, "{lines:#?}");
    for part in ["INFO", "operlet=things", "resource=default/a", "digest="] {
        assert!(written[0].contains(part), "{}", written[0]);
    }
    let last = lines.last().unwrap();
    assert!(last.contains("dropped=150") && last.contains("WARN"), "{last}");
}

#[tokio::test]
async fn a_long_line_is_cut_and_marked_and_does_not_end_the_call() {
    let lines = log_of("long-line").await;
    assert_eq!(lines.len(), 1, "{lines:#?}");
    assert!(lines[0].contains("[cut]"), "{}", lines[0]);
    assert!(lines[0].len() < 5 * 1024, "{}", lines[0].len());
}
