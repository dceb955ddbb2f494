use std::time::Duration;

use crate::{Failure, Retry};

impl Failure {
    /// The resource itself is wrong: say which field and what to do. The host puts
    /// the message into the resource's status and looks again when it changes.
    pub fn invalid(message: impl Into<String>) -> Self {
        Self::Invalid(message.into())
    }

    /// The component is wrong. The host tells the operator's author and backs off.
    pub fn bug(message: impl Into<String>) -> Self {
        Self::Bug(message.into())
    }

    /// Something that should pass; the host's back-off decides when to try again.
    pub fn retry(message: impl Into<String>) -> Self {
        Self::Retry(Retry { message: message.into(), after_ms: None })
    }

    /// Something that should pass by a known time.
    pub fn retry_after(message: impl Into<String>, after: Duration) -> Self {
        Self::Retry(Retry { message: message.into(), after_ms: Some(crate::outcome::milliseconds(after)) })
    }

    /// The message, whatever the failure.
    pub fn message(&self) -> &str {
        match self {
            Self::Retry(retry) => &retry.message,
            Self::Invalid(message) | Self::Bug(message) => message,
        }
    }
}
