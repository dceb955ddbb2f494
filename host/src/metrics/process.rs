//! What the operating system knows of this process, under the usual names.

use std::fs;

/// Clock ticks a second in `/proc`: a constant of Linux towards programs, whatever
/// the kernel counts in.
const TICKS: f64 = 100.0;

/// Where `/proc/self/stat` has them, counted from the field after the name, which
/// is the third of the manual's.
const USER_TICKS: usize = 11;
const SYSTEM_TICKS: usize = 12;
const START_TICKS: usize = 19;

/// What is known at one moment; what cannot be read is left out.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Process {
    pub(super) cpu_seconds: Option<f64>,
    pub(super) resident_bytes: Option<u64>,
    pub(super) start_seconds: Option<f64>,
    pub(super) open_files: Option<u64>,
}

impl Process {
    pub(super) fn now() -> Self {
        let stat = fs::read_to_string("/proc/self/stat").unwrap_or_default();
        let ticks = |field| field_of(&stat, field).map(|ticks| ticks / TICKS);
        let user_and_system = ticks(USER_TICKS).zip(ticks(SYSTEM_TICKS));
        let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
        let files = fs::read_dir("/proc/self/fd").ok().map(Iterator::count);
        Self {
            cpu_seconds: user_and_system.map(|(user, system)| user + system),
            resident_bytes: resident(&status),
            start_seconds: ticks(START_TICKS).zip(boot()).map(|(start, boot)| boot + start),
            // The directory itself is open while it is counted.
            open_files: files.and_then(|count| u64::try_from(count.saturating_sub(1)).ok()),
        }
    }
}

/// A field after the name, which may itself have spaces and parentheses.
fn field_of(stat: &str, field: usize) -> Option<f64> {
    let (_, fields) = stat.rsplit_once(')')?;
    fields.split_whitespace().nth(field)?.parse().ok()
}

fn resident(status: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kibibytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kibibytes * 1024)
}

/// When the machine was started, in seconds since 1970.
fn boot() -> Option<f64> {
    let stat = fs::read_to_string("/proc/stat").ok()?;
    stat.lines().find_map(|line| line.strip_prefix("btime "))?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_counted_after_a_name_with_anything_in_it() {
        let stat = "7 (a) b (c) S 1 7 7 0 -1 4194560 100 0 0 0 250 50 0 0 20 0 4 0 12345 1000 200";
        assert_eq!(field_of(stat, USER_TICKS), Some(250.0));
        assert_eq!(field_of(stat, SYSTEM_TICKS), Some(50.0));
        assert_eq!(field_of(stat, START_TICKS), Some(12345.0));
        assert_eq!(field_of("", 0), None);
    }

    #[test]
    fn this_process_has_memory_files_and_a_start_in_the_past() {
        let process = Process::now();
        assert!(process.resident_bytes.unwrap() > 1024 * 1024);
        assert!(process.open_files.unwrap() >= 3);
        assert!(process.cpu_seconds.unwrap() >= 0.0);
        let now = std::time::UNIX_EPOCH.elapsed().unwrap().as_secs_f64();
        let age = now - process.start_seconds.unwrap();
        assert!((-2.0..3600.0 * 24.0).contains(&age), "{age}");
    }
}
