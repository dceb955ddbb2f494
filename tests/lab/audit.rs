//! Reading the API server's audit log: who asked it for what, and when.

use crate::lab::Lab;
use anyhow::{Context, Result};
use serde::Deserialize;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;

/// Verbs that change something.
const WRITES: [&str; 5] = ["create", "update", "patch", "delete", "deletecollection"];

/// A place in the audit log.
#[derive(Clone, Debug)]
pub struct AuditMark {
    path: PathBuf,
    inode: u64,
    offset: u64,
}

/// A request that was answered.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AuditEntry {
    stage: String,
    /// What was asked for: get, list, watch, create, update, patch, delete, ...
    pub verb: String,
    user: User,
    impersonated_user: Option<User>,
    #[serde(default)]
    user_agent: String,
    #[serde(default)]
    object_ref: ObjectRef,
    #[serde(default)]
    response_status: ResponseStatus,
    /// When it arrived, as RFC 3339 with microseconds.
    pub request_received_timestamp: String,
}

#[derive(Clone, Debug, Deserialize)]
struct User {
    username: String,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct ObjectRef {
    resource: String,
    subresource: String,
    namespace: String,
    name: String,
}

#[derive(Clone, Debug, Default, Deserialize)]
struct ResponseStatus {
    #[serde(default)]
    code: u16,
}

impl AuditEntry {
    /// Who asked.
    pub fn user(&self) -> &str {
        &self.user.username
    }

    /// Whom the one who asked stood for, if anybody.
    pub fn impersonated(&self) -> Option<&str> {
        self.impersonated_user.as_ref().map(|user| user.username.as_str())
    }

    /// The program that asked, as it calls itself.
    pub fn agent(&self) -> &str {
        &self.user_agent
    }

    /// The plural of the kind.
    pub fn resource(&self) -> &str {
        &self.object_ref.resource
    }

    /// `status`, for instance; empty for the object itself.
    pub fn subresource(&self) -> &str {
        &self.object_ref.subresource
    }

    /// The namespace; empty if there is none.
    pub fn namespace(&self) -> &str {
        &self.object_ref.namespace
    }

    /// The object's name; empty where the request named none.
    pub fn name(&self) -> &str {
        &self.object_ref.name
    }

    /// The HTTP status of the answer.
    pub fn code(&self) -> u16 {
        self.response_status.code
    }

    /// Whether it was to change something.
    pub fn is_write(&self) -> bool {
        WRITES.contains(&self.verb.as_str())
    }
}

impl std::fmt::Display for AuditEntry {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { verb, object_ref, .. } = self;
        let ObjectRef { resource, subresource, namespace, name } = object_ref;
        let who = self.impersonated().unwrap_or(self.user());
        let (time, code) = (&self.request_received_timestamp, self.code());
        write!(formatter, "{time} {verb} {resource}/{subresource} {namespace}/{name} -> {code} ({who})")
    }
}

impl Lab {
    /// The present end of the audit log.
    pub fn audit_mark(&self) -> Result<AuditMark> {
        let path = self.audit_log();
        let metadata = path.metadata().with_context(|| format!("cannot read {}", path.display()))?;
        Ok(AuditMark { inode: metadata.ino(), offset: metadata.len(), path })
    }
}

impl AuditMark {
    /// Everything that was answered since. Lines that cannot be read are left out:
    /// the last one may be half written.
    pub fn entries(&self) -> Result<Vec<AuditEntry>> {
        let mut text = Vec::new();
        if self.path.metadata()?.ino() == self.inode {
            read(&self.path, self.offset, &mut text)?;
        } else {
            // The log was rotated meanwhile: the file has another name now.
            read(&self.rotated()?, self.offset, &mut text)?;
            read(&self.path, 0, &mut text)?;
        }
        let lines = text.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
        let entries = lines.filter_map(|line| serde_json::from_slice::<AuditEntry>(line).ok());
        Ok(entries.filter(|entry| entry.stage == "ResponseComplete").collect())
    }

    fn rotated(&self) -> Result<PathBuf> {
        let directory = self.path.parent().context("the audit log is in no directory")?;
        for entry in directory.read_dir()? {
            let entry = entry?;
            if entry.metadata()?.ino() == self.inode {
                return Ok(entry.path());
            }
        }
        anyhow::bail!("the audit log was rotated twice in between: look more often")
    }
}

fn read(path: &PathBuf, offset: u64, text: &mut Vec<u8>) -> Result<()> {
    let mut file = File::open(path).with_context(|| format!("cannot read {}", path.display()))?;
    file.seek(SeekFrom::Start(offset))?;
    file.read_to_end(text)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINE: &str = r#"{"stage":"ResponseComplete","verb":"patch","user":{"username":"host"},"impersonatedUser":{"username":"things"},"objectRef":{"resource":"things","subresource":"status","namespace":"n","name":"a"},"responseStatus":{"code":200},"requestReceivedTimestamp":"2026-01-01T00:00:00.000000Z"}"#;

    fn mark(path: PathBuf, offset: usize) -> AuditMark {
        AuditMark { inode: path.metadata().unwrap().ino(), offset: offset as u64, path }
    }

    #[test]
    fn what_came_after_the_mark_is_read() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("audit.log");
        let other = LINE.replace("ResponseComplete", "ResponseStarted");
        std::fs::write(&path, format!("{LINE}\n{LINE}\n{other}\n{{\"stage\"")).unwrap();
        let entries = mark(path, LINE.len() + 1).entries().unwrap();
        assert_eq!(entries.len(), 1);
        assert!(entries[0].is_write());
        assert_eq!((entries[0].user(), entries[0].impersonated()), ("host", Some("things")));
        assert_eq!((entries[0].subresource(), entries[0].code()), ("status", 200));
    }

    #[test]
    fn a_log_that_was_rotated_is_read_to_its_end() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("audit.log");
        std::fs::write(&path, format!("{LINE}\n")).unwrap();
        let mark = mark(path.clone(), 0);
        std::fs::rename(&path, directory.path().join("audit-1.log")).unwrap();
        std::fs::write(&path, format!("{LINE}\n{LINE}\n")).unwrap();
        assert_eq!(mark.entries().unwrap().len(), 3);
    }
}
