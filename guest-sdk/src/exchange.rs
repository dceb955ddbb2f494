use crate::{Effect, Exchange, Probe, Step, Transport, Until};

/// What an exchange may bring unless it says otherwise: far above what a server says
/// of itself.
const MAX_BYTES: u32 = 256 * 1024;

/// What an exchange may take unless it says otherwise.
const TIMEOUT_MS: u32 = 1000;

impl Exchange {
    /// Steps that change nothing, with the pod of this name and uid.
    ///
    /// ```
    /// use operlet_sdk::{Exchange, Step};
    ///
    /// let ping = Exchange::probe("web-0", "6f2c", 6379).step(Step::line("PING\r\n").expect("+PONG"));
    /// assert_eq!(ping.steps.len(), 1);
    /// ```
    pub fn probe(pod: impl Into<String>, pod_uid: impl Into<String>, port: u16) -> Self {
        Self {
            pod: pod.into(),
            pod_uid: pod_uid.into(),
            port,
            transport: Transport::Plain,
            steps: Vec::new(),
            effect: Effect::Probe,
            timeout_ms: TIMEOUT_MS,
            max_bytes: MAX_BYTES,
            extensions: Vec::new(),
        }
    }

    /// Steps that change something: made at most once, and only while the resource is
    /// as it was observed or put on record.
    pub fn act(pod: impl Into<String>, pod_uid: impl Into<String>, port: u16) -> Self {
        Self { effect: Effect::Act, ..Self::probe(pod, pod_uid, port) }
    }

    /// One step more.
    #[must_use]
    pub fn step(mut self, step: Step) -> Self {
        self.steps.push(step);
        self
    }

    /// Over this transport.
    #[must_use]
    pub fn over(self, transport: Transport) -> Self {
        Self { transport, ..self }
    }

    /// Within this time, in milliseconds.
    #[must_use]
    pub fn within_ms(self, timeout_ms: u32) -> Self {
        Self { timeout_ms, ..self }
    }
}

impl Step {
    /// Sends this, and reads up to these bytes.
    pub fn until(send: impl Into<Vec<u8>>, delimiter: impl Into<Vec<u8>>) -> Self {
        Self { send: send.into(), until: Until::Delimiter(delimiter.into()), expect: Vec::new() }
    }

    /// Sends this, and reads one line.
    pub fn line(send: impl Into<Vec<u8>>) -> Self {
        Self::until(send, "\r\n")
    }

    /// The reply must contain this; if it does not, nothing more is sent.
    #[must_use]
    pub fn expect(mut self, bytes: impl Into<Vec<u8>>) -> Self {
        self.expect.push(bytes.into());
        self
    }
}

impl Probe {
    /// An exchange that is repeated on a connection that is kept, after an opening
    /// that is said once.
    pub fn new(id: impl Into<String>, exchange: Exchange, every_ms: u32) -> Self {
        Self { id: id.into(), exchange, opening: Vec::new(), every_ms }
    }

    /// What is said once at the start of each connection.
    #[must_use]
    pub fn opened_by(self, opening: Vec<Step>) -> Self {
        Self { opening, ..self }
    }
}
