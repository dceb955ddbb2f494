use crate::{CONTRACT_VERSION, ChildKind, Kind, Limits, Manifest, StateVersions};

impl Manifest {
    /// A component of this name (a DNS label) and semantic version that reconciles
    /// `primary`. It has no further kinds, ports or finalizer, keeps state version
    /// 1, and leaves the limits to the host.
    ///
    /// ```
    /// use operlet_sdk::{Kind, Manifest, kinds};
    ///
    /// const WIDGET: Kind = Kind::new("example.dev", "v1", "Widget", "widgets", true);
    ///
    /// let manifest = Manifest::new("widgets", "1.2.0", &WIDGET)
    ///     .child(&kinds::DEPLOYMENT)
    ///     .child_kept(&kinds::SECRET)
    ///     .observes(&kinds::POD);
    /// assert_eq!(manifest.children.len(), 2);
    /// assert!(!manifest.finalizer);
    /// ```
    pub fn new(name: impl Into<String>, version: impl Into<String>, primary: &Kind) -> Self {
        Self {
            name: name.into(),
            version: version.into(),
            contract: CONTRACT_VERSION.to_owned(),
            primary: primary.into(),
            children: Vec::new(),
            observed_only: Vec::new(),
            reads: Vec::new(),
            ports: Vec::new(),
            finalizer: false,
            state: StateVersions { writes: 1, reads: vec![1] },
            limits: Limits {
                memory_bytes: None,
                call_ms: None,
                reconcile_ms: None,
                concurrency: None,
                extensions: Vec::new(),
            },
            extensions: Vec::new(),
        }
    }

    /// A kind that it brings about; the host deletes what is no longer wanted.
    #[must_use]
    pub fn child(mut self, kind: &Kind) -> Self {
        self.children.push(ChildKind { resource: kind.into(), prune: true });
        self
    }

    /// A kind that it brings about or amends, and that the host deletes only on an
    /// explicit [`remove`](crate::Outcome::remove).
    #[must_use]
    pub fn child_kept(mut self, kind: &Kind) -> Self {
        self.children.push(ChildKind { resource: kind.into(), prune: false });
        self
    }

    /// A kind that it never writes and is shown where objects carry the resource's
    /// owner label.
    #[must_use]
    pub fn observes(mut self, kind: &Kind) -> Self {
        self.observed_only.push(kind.into());
        self
    }

    /// A further kind that it may ask for.
    #[must_use]
    pub fn reads(mut self, kind: &Kind) -> Self {
        self.reads.push(kind.into());
        self
    }

    /// A TCP port that it wants to reach on pods it owns.
    #[must_use]
    pub fn port(mut self, port: u16) -> Self {
        self.ports.push(port);
        self
    }

    /// Gives resources the host's finalizer: the component then sees `deleting` and
    /// must answer [`release`](crate::Outcome::release).
    #[must_use]
    pub fn finalizer(mut self) -> Self {
        self.finalizer = true;
        self
    }

    /// The version of the state it keeps in `status`, and every version it can
    /// read; `reads` must contain `writes`.
    #[must_use]
    pub fn state(mut self, writes: u32, reads: &[u32]) -> Self {
        self.state = StateVersions { writes, reads: reads.to_vec() };
        self
    }
}
