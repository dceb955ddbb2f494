//! Processes that outlive the command that started them, and are found again.
//!
//! A record names a process by its number, its start time and the boot it was
//! started in, so that a number which the kernel has given to somebody else is
//! never signalled.

use crate::{files, shell};
use anyhow::{Context, Result, bail};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::retry_on_intr;
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fs::File;
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

/// How long a killed process may take to go; kernels free memory in that time.
const END_TIMEOUT: Duration = Duration::from_secs(10);

/// What is needed to start a process, and to start it again.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Program {
    /// What it is called in the lab.
    pub name: String,
    /// The program and its arguments.
    pub command: Vec<String>,
    /// Variables on top of those of the lab's own process.
    pub environment: BTreeMap<String, String>,
    /// Where its output goes.
    pub log: PathBuf,
}

/// A process that was started.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Record {
    program: Program,
    pid: i32,
    started: u64,
    boot: String,
}

impl Program {
    /// Starts the program in its own session and in the cgroup whose `cgroup.procs` is given.
    pub fn start(self, cgroup: &Path) -> Result<Record> {
        let log = File::options()
            .create(true)
            .append(true)
            .open(&self.log)
            .with_context(|| format!("cannot open the log {}", self.log.display()))?;
        // The shell puts itself into the cgroup before it becomes the program:
        // nothing the program starts can be missed.
        let join = "echo $$ >\"$1\" || exit 1; shift; exec \"$@\"";
        let child = Command::new("setsid")
            .args(["sh", "-c", join, "sh"])
            .arg(cgroup)
            .args(&self.command)
            .env_remove("KUBECONFIG")
            .envs(&self.environment)
            .current_dir("/")
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .spawn()
            .with_context(|| {
                format!("cannot start {}: is setsid (package util-linux) installed?", self.name)
            })?;
        let pid = i32::try_from(child.id())?;
        let started = started(pid)
            .with_context(|| format!("{} ended at once: see {}", self.name, self.log.display()))?;
        Ok(Record { program: self, pid, started, boot: boot()? })
    }
}

impl Record {
    /// Reads the record of a process.
    pub fn load(path: &Path) -> Result<Self> {
        serde_json::from_str(&files::read(path)?)
            .with_context(|| format!("{} is no record of a process; `lab down` removes it", path.display()))
    }

    /// Writes the record of a process.
    pub fn save(&self, path: &Path) -> Result<()> {
        files::write(path, serde_json::to_string_pretty(self)?)
    }

    /// What was started.
    pub fn program(&self) -> &Program {
        &self.program
    }

    /// The process's number.
    pub fn pid(&self) -> i32 {
        self.pid
    }

    /// Whether this very process still runs.
    pub fn alive(&self) -> bool {
        self.descriptor().is_some_and(|descriptor| !has_ended(&descriptor, Duration::ZERO).unwrap_or(false))
    }

    /// Ends the process at once, as a power cut would; one that is gone is fine.
    pub fn kill(&self) -> Result<()> {
        let Some(descriptor) = self.descriptor() else { return Ok(()) };
        let _ = pidfd_send_signal(&descriptor, Signal::KILL);
        if !has_ended(&descriptor, END_TIMEOUT)? {
            bail!("{} (process {}) does not end: is a disk hanging?", self.program.name, self.pid);
        }
        Ok(())
    }

    /// The process, if it still has its number.
    fn descriptor(&self) -> Option<OwnedFd> {
        let descriptor = pidfd_open(Pid::from_raw(self.pid)?, PidfdFlags::empty()).ok()?;
        // The descriptor pins the process: it is the recorded one if it still is after opening.
        let same = boot().is_ok_and(|boot| boot == self.boot) && started(self.pid) == Some(self.started);
        same.then_some(descriptor)
    }

    /// The first child of the process, by its number in this machine's view.
    pub fn child(&self) -> Option<i32> {
        let path = format!("/proc/{0}/task/{0}/children", self.pid);
        let children = std::fs::read_to_string(path).ok()?;
        self.alive().then(|| children.split_whitespace().next()?.parse().ok())?
    }
}

/// Waits until all threads of a process have ended. One that has many is a zombie in
/// `/proc` as soon as its first thread is gone, while others still hold its files and
/// the ports it listens on; a process's descriptor tells the end of the last one.
fn has_ended(descriptor: &impl AsFd, patience: Duration) -> Result<bool> {
    let patience = Timespec::try_from(patience)?;
    let mut ended = [PollFd::new(descriptor, PollFlags::IN)];
    Ok(retry_on_intr(|| poll(&mut ended, Some(&patience)))? > 0)
}

/// The last lines of a log, for errors.
pub(crate) fn last_lines(log: &Path, count: usize) -> String {
    let mut tail = Command::new("tail");
    shell::output(tail.arg("-n").arg(count.to_string()).arg(log)).unwrap_or_default()
}

/// When a process was started, in the kernel's ticks since the boot.
fn started(pid: i32) -> Option<u64> {
    parse(&std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?)
}

/// The program's name stands in parentheses and may itself contain some:
/// what counts comes after the last one.
fn parse(line: &str) -> Option<u64> {
    let (_, rest) = line.rsplit_once(')')?;
    rest.split_whitespace().nth(19)?.parse().ok()
}

fn boot() -> Result<String> {
    Ok(files::read(Path::new("/proc/sys/kernel/random/boot_id"))?.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(pid: i32, started: u64) -> Record {
        let program = Program {
            name: "sleep".to_owned(),
            command: Vec::new(),
            environment: BTreeMap::new(),
            log: PathBuf::from("/dev/null"),
        };
        Record { program, pid, started, boot: boot().unwrap() }
    }

    fn sleeper() -> (std::process::Child, Record) {
        let child = Command::new("sleep").arg("60").spawn().unwrap();
        let pid = i32::try_from(child.id()).unwrap();
        let started = started(pid).unwrap();
        (child, record(pid, started))
    }

    #[test]
    fn a_name_with_parentheses_does_not_confuse_the_parser() {
        let fields = (4..=22).map(|n| n.to_string()).collect::<Vec<_>>().join(" ");
        assert_eq!(parse(&format!("7 (a) b) S {fields}")), Some(22));
        assert!(parse("7 (a").is_none());
    }

    #[test]
    fn a_recorded_process_is_killed_and_its_zombie_counts_as_dead() {
        let (mut child, record) = sleeper();
        assert!(record.alive());
        record.kill().unwrap();
        assert!(!record.alive());
        child.wait().unwrap();
    }

    /// A zombie in `/proc` as soon as its first thread has ended.
    #[test]
    #[allow(unsafe_code, reason = "nothing safe makes a process whose first thread ends alone")]
    fn a_process_lives_as_long_as_its_last_thread() {
        // SAFETY: the new process uses nothing of this one but the allocator, which libc keeps usable.
        let pid = unsafe { libc::fork() };
        if pid == 0 {
            std::thread::spawn(|| std::thread::sleep(Duration::from_mins(1)));
            // SAFETY: it ends this thread, which owns nothing that the other one uses.
            unsafe { libc::syscall(libc::SYS_exit, 0) };
        }
        let record = record(pid, started(pid).unwrap());
        let stat = format!("/proc/{pid}/stat");
        while !std::fs::read_to_string(&stat).unwrap().contains(") Z ") {
            std::thread::sleep(Duration::from_millis(5));
        }
        assert!(record.alive());
        record.kill().unwrap();
        assert!(!record.alive());
        // SAFETY: nothing is written where a null pointer is.
        assert_eq!(unsafe { libc::waitpid(pid, std::ptr::null_mut(), 0) }, pid);
    }

    #[test]
    fn a_process_that_took_over_the_number_is_left_alone() {
        let (mut child, mine) = sleeper();
        let stale = record(mine.pid, mine.started - 1);
        assert!(!stale.alive());
        stale.kill().unwrap();
        assert!(mine.alive());
        mine.kill().unwrap();
        child.wait().unwrap();
    }

    #[test]
    fn a_process_of_another_boot_is_dead() {
        let (mut child, mut mine) = sleeper();
        child.kill().unwrap();
        child.wait().unwrap();
        mine.boot = "another".to_owned();
        assert!(!mine.alive());
    }
}
