//! Bytes that are exchanged with a pod, with the meaning of `wit/exchanges.wit`.

/// Whether an exchange may be repeated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Effect {
    /// It changes nothing.
    Probe,
    /// It changes something: it is made at most once.
    Act,
}

impl Effect {
    /// The case, for a metric's label.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Probe => "probe",
            Self::Act => "act",
        }
    }
}

/// Where the reply to a step ends.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Until {
    /// When the peer closes the connection.
    Eof,
    /// With these bytes, which belong to the reply.
    Delimiter(Vec<u8>),
    /// After so many bytes.
    Length(u32),
}

/// One request and its reply.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Step {
    /// What is sent.
    pub send: Vec<u8>,
    /// Where the reply ends.
    pub until: Until,
    /// What the reply must contain, each of them.
    pub expect: Vec<Vec<u8>>,
}

/// One entry of a Secret in the resource's namespace.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SecretEntry {
    /// The Secret's name.
    pub name: String,
    /// The key in its data.
    pub key: String,
}

/// TLS, with the certificates named.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Tls {
    /// The certificates of the authorities to trust, as PEM.
    pub ca: SecretEntry,
    /// The name that the peer's certificate must be for.
    pub server_name: String,
    /// A Secret of type `kubernetes.io/tls` to show to the peer.
    pub client_certificate: Option<String>,
}

/// How the bytes travel.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Transport {
    /// As they are, over TCP.
    Plain,
    /// Over TLS.
    Tls(Tls),
}

/// Steps on one connection to one pod.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Exchange {
    /// The pod's name.
    pub pod: String,
    /// The pod's uid.
    pub pod_uid: String,
    /// The TCP port.
    pub port: u16,
    /// How the bytes travel.
    pub transport: Transport,
    /// What is said, in order.
    pub steps: Vec<Step>,
    /// Whether it changes something.
    pub effect: Effect,
    /// The time for all of it, in milliseconds.
    pub timeout_ms: u32,
    /// The size of all replies together, in bytes.
    pub max_bytes: u32,
}

/// What had been received when an exchange ended early.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct PartialReplies {
    /// The whole replies, in the order of the steps.
    pub replies: Vec<Vec<u8>>,
    /// What had come of the reply under way.
    pub rest: Vec<u8>,
}

/// How an exchange ended.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum ExchangeEnd {
    /// Every step had its reply, and each held what was expected.
    Replies(Vec<Vec<u8>>),
    /// Nobody listens on the port.
    Refused,
    /// The time was up.
    Timeout(PartialReplies),
    /// The peer closed or reset the connection.
    Reset(PartialReplies),
    /// The replies exceeded `max_bytes`.
    TooLarge(PartialReplies),
    /// A reply lacked what was expected; it is the last of the replies.
    Unexpected(PartialReplies),
    /// An act that may not be made any more. Nothing was sent.
    Stale,
    /// The dial rules forbid it, in words for a person. Nothing was sent.
    Denied(String),
    /// There is no such pod, or it has no address. Nothing was sent.
    Gone,
    /// The TLS handshake failed, in words for a person. No step was sent.
    TlsFailed(String),
    /// The network failed otherwise before any step was sent, in words for a
    /// person.
    Unreachable(String),
}

impl ExchangeEnd {
    /// The case, for a metric's label.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Replies(_) => "replies",
            Self::Refused => "refused",
            Self::Timeout(_) => "timeout",
            Self::Reset(_) => "reset",
            Self::TooLarge(_) => "too-large",
            Self::Unexpected(_) => "unexpected",
            Self::Stale => "stale",
            Self::Denied(_) => "denied",
            Self::Gone => "gone",
            Self::TlsFailed(_) => "tls-failed",
            Self::Unreachable(_) => "unreachable",
        }
    }

    /// How many bytes of answers it carries.
    #[must_use]
    pub fn bytes(&self) -> usize {
        let sum = |replies: &[Vec<u8>]| replies.iter().map(Vec::len).sum::<usize>();
        match self {
            Self::Replies(replies) => sum(replies),
            Self::Timeout(partial)
            | Self::Reset(partial)
            | Self::TooLarge(partial)
            | Self::Unexpected(partial) => sum(&partial.replies) + partial.rest.len(),
            Self::Denied(text) | Self::TlsFailed(text) | Self::Unreachable(text) => text.len(),
            Self::Refused | Self::Stale | Self::Gone => 0,
        }
    }
}

/// An exchange that is repeated on a connection that is kept.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Probe {
    /// Chosen by the component, unique among its probes.
    pub id: String,
    /// What is repeated.
    pub exchange: Exchange,
    /// What is said once at the start of each connection.
    pub opening: Vec<Step>,
    /// The time from one round's start to the next one's, in milliseconds.
    pub every_ms: u32,
}

/// The latest of a probe.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProbeReport {
    /// The probe's id.
    pub id: String,
    /// How its last round ended.
    pub end: ExchangeEnd,
    /// When it ended so first, in milliseconds since the Unix epoch.
    pub since_ms: u64,
}
