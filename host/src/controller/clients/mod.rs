//! Clients of the API server. One is for one identity: the host's own, or that of
//! the ServiceAccount that an operlet acts with.
//!
//! All of them count what they ask, and none writes while this host does not hold
//! the Lease.

mod gate;
mod request;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use kube::{Client, Config, client::retry::RetryPolicy};
use tower::{Layer as _, retry::RetryLayer};

use self::gate::Gate;
pub use self::gate::NotHolder;
use crate::{
    lease::Leadership,
    metrics::{Metrics, OperletMetrics},
};

/// Connects to an API server: over HTTP, or to one that is simulated.
pub trait Connect: Send + Sync + 'static {
    /// A plain client, which tries nothing twice by itself: as the host, or as
    /// this user.
    ///
    /// # Errors
    /// If what it is made from is not valid, such as a certificate.
    fn connect(&self, user: Option<&str>) -> Result<Client, kube::Error>;
}

/// Connects over HTTP.
impl Connect for Config {
    fn connect(&self, user: Option<&str>) -> Result<Client, kube::Error> {
        let mut config = self.clone();
        // Each try must pass the gate, so it is repeated outside of it.
        config.default_retry = false;
        if let Some(user) = user {
            config.auth_info.impersonate = Some(user.to_owned());
        }
        Client::try_from(config)
    }
}

/// Makes the clients of a host.
#[derive(Clone)]
pub struct Clients {
    connect: Arc<dyn Connect>,
    namespace: Arc<str>,
    leadership: Leadership,
    metrics: Metrics,
}

impl Clients {
    /// Clients for the host of this namespace: the ServiceAccounts that may be
    /// acted as are there.
    #[must_use]
    pub fn new(connect: Arc<dyn Connect>, namespace: &str, leadership: Leadership, metrics: Metrics) -> Self {
        Self { connect, namespace: namespace.into(), leadership, metrics }
    }

    /// Acts as the host itself.
    ///
    /// # Errors
    /// If the configuration is not valid.
    pub fn host(&self) -> Result<Client, kube::Error> {
        Ok(self.gated(self.connect.connect(None)?, self.metrics.host()))
    }

    /// Acts as this ServiceAccount of the host's namespace.
    ///
    /// # Errors
    /// If the configuration is not valid.
    pub fn impersonate(&self, account: &str) -> Result<Impersonation, kube::Error> {
        let user = format!("system:serviceaccount:{}:{account}", self.namespace);
        Ok(Impersonation { client: self.connect.connect(Some(&user))?, clients: self.clone() })
    }

    /// Whether they write at present.
    #[must_use]
    pub fn leadership(&self) -> &Leadership {
        &self.leadership
    }

    /// Where they count.
    #[must_use]
    pub fn metrics(&self) -> &Metrics {
        &self.metrics
    }

    fn gated(&self, client: Client, metrics: OperletMetrics) -> Client {
        let namespace = client.default_namespace().to_owned();
        let gate = Gate { client, leadership: self.leadership.clone(), metrics };
        // Whatever is tried again passes the gate again: the pause before it may be long.
        Client::new(RetryLayer::new(RetryPolicy::server_retry()).layer(gate), namespace)
    }
}

/// The identity of a ServiceAccount, for those who act with it.
#[derive(Clone)]
pub struct Impersonation {
    client: Client,
    clients: Clients,
}

impl Impersonation {
    /// A client that acts for this operlet.
    #[must_use]
    pub fn on_behalf_of(&self, operlet: &str) -> Client {
        self.clients.gated(self.client.clone(), self.clients.metrics.operlet(operlet))
    }
}
