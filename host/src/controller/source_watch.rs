//! Wakes an installation when its source changes.

use std::sync::Arc;

use futures::StreamExt as _;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::{
    Api, Client,
    core::PartialObjectMeta,
    runtime::{
        WatchStreamExt as _,
        watcher::{self, Event, watcher},
    },
};
use tokio::{sync::Notify, task::JoinHandle};

use super::informer::describe;
use crate::operlets::ConfigMapSource;

/// Follows the one ConfigMap that an Operlet names.
#[derive(Default)]
pub(super) struct SourceWatch {
    following: Option<(ConfigMapSource, JoinHandle<()>)>,
}

impl SourceWatch {
    /// Follows this source from now on.
    pub(super) fn follow(&mut self, client: &Client, source: &ConfigMapSource, wake: &Arc<Notify>) {
        if self.following.as_ref().is_some_and(|(followed, _)| followed == source) {
            return;
        }
        self.end();
        let task = tokio::spawn(watch(client.clone(), source.clone(), Arc::clone(wake)));
        self.following = Some((source.clone(), task));
    }

    /// Follows nothing any more.
    pub(super) fn end(&mut self) {
        if let Some((_, task)) = self.following.take() {
            task.abort();
        }
    }
}

async fn watch(client: Client, source: ConfigMapSource, wake: Arc<Notify>) {
    // The content is read once it is known to have changed, and only then.
    let api: Api<PartialObjectMeta<ConfigMap>> = Api::namespaced(client, &source.namespace);
    let config = watcher::Config::default().fields(&format!("metadata.name={}", source.name));
    let mut events = std::pin::pin!(watcher(api, config).default_backoff());
    while let Some(event) = events.next().await {
        match event {
            Ok(Event::Apply(_) | Event::Delete(_) | Event::InitDone) => wake.notify_one(),
            Ok(Event::Init | Event::InitApply(_)) => {}
            Err(error) => {
                let ConfigMapSource { namespace, name } = &source;
                tracing::warn!(namespace, name, error = describe(&error), "cannot watch the source");
            }
        }
    }
}
