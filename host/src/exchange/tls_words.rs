//! What went wrong with TLS, in words for a person. The same failure always has
//! the same words: a probe that fails as before must not look different.

use std::io;

use tokio_rustls::rustls::{self, AlertDescription, CertificateError};

/// Why a handshake failed.
pub(super) fn handshake(error: &io::Error, server_name: &str) -> String {
    match cause(error) {
        Some(error) => refused(error, server_name),
        None if error.kind() == io::ErrorKind::UnexpectedEof => {
            "the peer closed the connection during the handshake: it may not speak TLS on this port"
                .to_owned()
        }
        None => format!("the connection failed during the handshake: {}", error.kind()),
    }
}

/// What a peer complained of.
pub(super) fn alert(alert: AlertDescription) -> String {
    let reason = match alert {
        AlertDescription::CertificateRequired | AlertDescription::NoCertificate => {
            "it demands a client certificate"
        }
        AlertDescription::UnknownCA => "it does not trust the authority of the client certificate",
        AlertDescription::CertificateExpired => "the client certificate has expired",
        AlertDescription::CertificateRevoked => "the client certificate is revoked",
        AlertDescription::BadCertificate
        | AlertDescription::UnsupportedCertificate
        | AlertDescription::CertificateUnknown
        | AlertDescription::AccessDenied
        | AlertDescription::DecryptError => "it does not accept the client certificate",
        AlertDescription::ProtocolVersion => "it does not speak TLS 1.2 or later",
        AlertDescription::UnrecognisedName => "it does not know the server name",
        other => return format!("the peer refused the handshake with the alert {other:?}"),
    };
    format!("the peer refused the handshake: {reason}")
}

/// The error of TLS in an error of a stream.
pub(super) fn cause(error: &io::Error) -> Option<&rustls::Error> {
    error.get_ref()?.downcast_ref()
}

fn refused(error: &rustls::Error, server_name: &str) -> String {
    match error {
        rustls::Error::InvalidCertificate(error) => {
            format!("the peer's certificate {}", invalid(error, server_name))
        }
        rustls::Error::AlertReceived(received) => alert(*received),
        rustls::Error::NoCertificatesPresented => "the peer showed no certificate".to_owned(),
        rustls::Error::InvalidMessage(_)
        | rustls::Error::InappropriateMessage { .. }
        | rustls::Error::InappropriateHandshakeMessage { .. } => {
            "the peer does not speak TLS on this port".to_owned()
        }
        rustls::Error::PeerIncompatible(_) => {
            "the peer offers no version and cipher of TLS that the host accepts (1.2 or later)".to_owned()
        }
        other => format!("the handshake failed: {other}"),
    }
}

fn invalid(error: &CertificateError, server_name: &str) -> String {
    match error {
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => "has expired".to_owned(),
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
            "is not valid yet: compare the clocks".to_owned()
        }
        CertificateError::UnknownIssuer => "is not from an authority of the CA bundle".to_owned(),
        CertificateError::BadSignature => {
            "is not signed by the authority that it names: the CA bundle may be out of date".to_owned()
        }
        CertificateError::NotValidForName => format!("is not for the name {server_name:?}"),
        CertificateError::NotValidForNameContext { presented, .. } => {
            format!("is not for the name {server_name:?} but for {}", names(presented))
        }
        CertificateError::Revoked => "is revoked".to_owned(),
        CertificateError::InvalidPurpose | CertificateError::InvalidPurposeContext { .. } => {
            "may not be used by a server".to_owned()
        }
        CertificateError::BadEncoding => "cannot be read".to_owned(),
        other => format!("is not valid: {other}"),
    }
}

/// A peer may present any number of names, of any length.
const NAMES_SHOWN: usize = 4;
const NAME_CHARACTERS_SHOWN: usize = 100;

fn names(presented: &[String]) -> String {
    if presented.is_empty() {
        return "no name at all".to_owned();
    }
    let shown = presented.iter().take(NAMES_SHOWN).map(|name| {
        let name: String = name.chars().take(NAME_CHARACTERS_SHOWN).collect();
        format!("{name:?}")
    });
    let more = if presented.len() > NAMES_SHOWN { " and others" } else { "" };
    shown.collect::<Vec<_>>().join(", ") + more
}
