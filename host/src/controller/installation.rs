//! One Operlet at work: keeps a component live and replaces it when the source
//! changes.
//!
//! Whatever fails on the way of a candidate leaves the live one running. A
//! component takes over in this order: admitted, its kinds watched, copied, on
//! record as live, and only then called; so after a crash at any point the host
//! finds a component it can load.

use std::{sync::Arc, time::Duration};

use k8s_openapi::api::core::v1::ObjectReference;
use tokio::{
    sync::{Notify, watch},
    time::Instant,
};
use tokio_util::sync::CancellationToken;

use super::{
    deletions::Deletions,
    events::Events,
    finalizer::{self, FINALIZER},
    informer::describe,
    report,
    rights::{self, Right},
    runtime::Live,
    source_watch::SourceWatch,
    supervisor::Shared,
    working::{Belongings, Surroundings, Working},
};
use crate::{
    engine::LoadError,
    model::{ChildKind, Digest, Event, EventType, GroupVersionKind, ResourceKind},
    operlets::{
        self, Admitted, CandidateStatus, ComponentStatus, Operlet, OperletStatus, Package, Refusal,
        SourceError, Terms, admit, load_copy, read_source, remove_other_copies, store_copy, succeeds,
    },
};

/// When to try again what may pass by itself: a kind that cannot be watched yet,
/// an API server that does not answer.
const RETRY: Duration = Duration::from_secs(5);

/// When to compile again what could not be compiled for want of memory or time:
/// it takes much of both each time.
const COMPILE_AGAIN: Duration = Duration::from_secs(60);

/// How often it is tried to take the finalizer of an Operlet that is gone off its
/// resources, and the first pause, which doubles: a minute in all.
const RELEASES: u32 = 6;
const RELEASE_PAUSE: Duration = Duration::from_secs(1);

/// How long the kinds of a candidate may take to be listed.
const SYNC: Duration = Duration::from_secs(20);

/// Said however it came to that.
const UP_TO_DATE: &str = "the source holds the live component";

/// Says that an installation should end, and why.
#[derive(Clone, Default)]
pub(super) struct Ending {
    pub(super) stop: CancellationToken,
    /// The Operlet is gone; otherwise only the host stops.
    pub(super) deleted: CancellationToken,
    /// The host stops: nothing more is waited for.
    pub(super) host: CancellationToken,
}

pub(super) struct Installation {
    shared: Arc<Shared>,
    name: String,
    operlet: Arc<Operlet>,
    status: OperletStatus,
    written: Option<OperletStatus>,
    events: Events,
    working: Option<Working>,
    deletions: Arc<Deletions>,
    /// Told when the ServiceAccount turned out to lack a right.
    forbidden: Arc<Notify>,
    /// The rights that were found to be all there, and who has them.
    authorized: Option<(Vec<Right>, String)>,
    /// Told when this installation is to end.
    stop: CancellationToken,
    /// The refused component and the generation of the spec it was refused under:
    /// looked at once, not at every event.
    refused: Option<(Digest, Option<i64>)>,
    /// What could not be compiled, and when.
    not_compiled: Option<(Digest, Instant)>,
}

/// Serves an Operlet until it is stopped.
pub(super) async fn run(
    shared: Arc<Shared>,
    name: String,
    mut operlets: watch::Receiver<Arc<Operlet>>,
    ending: Ending,
) {
    let operlet = operlets.borrow_and_update().clone();
    let events = Events::new(shared.client.clone(), &shared.instance);
    let mut status = operlet.status.clone().unwrap_or_default();
    // They are written by those who delete, and by nobody else.
    status.deletions.clear();
    let deletions = Arc::new(Deletions::new(shared.client.clone(), &operlet));
    let mut installation = Installation {
        shared,
        name,
        operlet,
        written: Some(status.clone()),
        status,
        events,
        working: None,
        deletions,
        forbidden: Arc::default(),
        authorized: None,
        stop: ending.stop.clone(),
        refused: None,
        not_compiled: None,
    };
    let wake = Arc::new(Notify::new());
    let mut source = SourceWatch::default();
    loop {
        source.follow(&installation.shared.client, &installation.operlet.spec.source.config_map, &wake);
        let settled = installation.advance().await;
        let retry = if settled { Duration::MAX } else { RETRY };
        let forbidden = Arc::clone(&installation.forbidden);
        // Every refused request says so, and one review is enough for many.
        let forbidden = async {
            tokio::time::sleep(RETRY).await;
            forbidden.notified().await;
        };
        tokio::select! {
            () = ending.stop.cancelled() => break,
            () = wake.notified() => {}
            () = forbidden => installation.authorized = None,
            changed = operlets.changed() => if changed.is_err() { break },
            () = installation.faults_change() => {}
            () = tokio::time::sleep(retry) => {}
        }
        installation.operlet = operlets.borrow_and_update().clone();
    }
    source.end();
    installation.end(&ending).await;
    installation.shared.release_kinds(&installation.name);
}

impl Installation {
    /// Goes as far as it can; true if only a change can lead further.
    async fn advance(&mut self) -> bool {
        if self.stop.is_cancelled() {
            return true;
        }
        self.status.observed_generation = self.operlet.metadata.generation;
        self.apply_terms().await;
        let settled = self.advance_component().await;
        if self.stop.is_cancelled() {
            // What it was interrupted in looks like a fault and is none.
            return true;
        }
        let authorized = self.review_rights().await;
        self.release_overdue().await;
        self.report_readiness();
        let watched = self.working.is_some() || self.status.live.is_none();
        self.write_status().await && settled && authorized && watched
    }

    /// What the Operlet grants and bounds holds for the live component at once,
    /// whatever becomes of the source.
    async fn apply_terms(&self) {
        let Some(working) = self.working.as_ref().filter(|working| working.is_serving()) else { return };
        let old = working.live();
        let terms = Terms::new(&self.operlet.spec, &old.manifest);
        if terms == old.terms {
            return;
        }
        let live = Live {
            digest: old.digest.clone(),
            component: old.component.clone(),
            retired: old.retired.clone(),
            manifest: Arc::clone(&old.manifest),
            terms,
        };
        working.swap(Arc::new(live)).await;
    }

    /// Whether the ServiceAccount has every right that the component needs; what is
    /// missing is told, and looked for again.
    async fn review_rights(&mut self) -> bool {
        let Some(working) = self.working.as_ref().filter(|working| working.is_serving()) else { return true };
        let live = working.live();
        let account = working.account().to_owned();
        // Most components need just what the ones before them did.
        let reviewed = (rights::needed(&live.manifest), account.clone());
        if self.authorized.as_ref() == Some(&reviewed) {
            return true;
        }
        let account = format!("{}/{account}", self.shared.namespace);
        match rights::missing(working.client(), &account, &reviewed.0).await {
            Ok(None) => {
                self.authorized = Some(reviewed);
                let message = format!("{account} has every right that the component asks for");
                report::set_condition(&mut self.status, "Authorized", true, "Granted", message);
                true
            }
            Ok(Some(message)) => {
                report::set_condition(&mut self.status, "Authorized", false, "MissingRights", message);
                false
            }
            Err(error) => {
                tracing::warn!(error = describe(&error), "cannot ask for the rights of the ServiceAccount");
                false
            }
        }
    }

    /// Without a component at work nobody releases resources that are being deleted
    /// but the host, when their time is up.
    async fn release_overdue(&self) {
        let working = self.working.as_ref().is_some_and(Working::is_serving);
        let Some(kind) = self.status.live.as_ref().and_then(primary).filter(|_| !working) else { return };
        let timeout = Terms::finalizer_timeout(&self.operlet.spec);
        self.release(&kind, Some(timeout)).await;
    }

    /// False if it should be tried again.
    async fn release(&self, kind: &ResourceKind, waiting: Option<Duration>) -> bool {
        let released = match self.shared.impersonate(&self.operlet.spec.service_account_name) {
            Ok(identity) => {
                let client = identity.on_behalf_of(&self.name);
                finalizer::release_all(&client, kind, waiting).await
            }
            Err(error) => Err(error),
        };
        match released {
            Ok(0) => true,
            Err(kube::Error::Api(status)) if status.is_not_found() => true,
            Ok(count) => {
                tracing::warn!(count, kind = %kind.kind, "let resources go without the component");
                true
            }
            Err(error) => {
                tracing::warn!(kind = %kind.kind, error = describe(&error), "cannot take the finalizer off");
                false
            }
        }
    }

    /// Stops what is at work. The resources of an Operlet that is gone wait for
    /// nobody.
    async fn end(&mut self, ending: &Ending) {
        let mut kind = self.status.live.as_ref().and_then(primary);
        if let Some(working) = self.working.take() {
            let manifest = Arc::clone(&working.live().manifest);
            kind = manifest.finalizer.then(|| manifest.primary.clone());
            working.stop().await;
        }
        let Some(kind) = kind.filter(|_| ending.deleted.is_cancelled()) else { return };
        // Not for ever: the next Operlet of this name waits for it, and would take the
        // finalizers over.
        for exponent in 0..RELEASES {
            if self.release(&kind, None).await {
                return;
            }
            let pause = RELEASE_PAUSE * 2_u32.pow(exponent);
            if ending.host.run_until_cancelled(tokio::time::sleep(pause)).await.is_none() {
                break;
            }
        }
        tracing::error!(
            kind = %kind.kind,
            finalizer = FINALIZER,
            "resources may keep the finalizer of an Operlet that is gone: take it off by hand"
        );
    }

    async fn advance_component(&mut self) -> bool {
        if self.account_changed()
            && let Some(working) = self.working.take()
        {
            working.stop().await;
        }
        let resumed = self.working.is_some() || self.resume().await;
        let settled = self.advance_source(resumed).await;
        // Whatever became of the source, the live one is to be brought back.
        settled && (resumed || self.working.is_some())
    }

    /// Looks at what the source holds; true if only a change can lead further.
    async fn advance_source(&mut self, resumed: bool) -> bool {
        let source = &self.operlet.spec.source.config_map;
        let package = match read_source(&self.shared.client, source).await {
            Ok(package) => package,
            Err(error) => return self.source_unreadable(&error).await,
        };
        let digest = Digest::of(&package.bytes);
        // What is watched for and not on record yet is not live.
        let serving = self.working.as_ref().filter(|working| working.is_serving());
        if serving.is_some_and(|working| working.live().digest == digest) {
            return self.is_live_already(&package).await;
        }
        if !resumed && self.status.live.as_ref().is_some_and(|live| live.digest == digest.to_string()) {
            return false;
        }
        let looked_at = (digest.clone(), self.operlet.metadata.generation);
        if self.refused.as_ref() == Some(&looked_at) {
            return true;
        }
        if self.was_not_compiled(&digest) {
            return false;
        }
        match self.consider(package).await {
            Ok(settled) => settled,
            Err(refusal) => {
                let may_pass = refusal.may_pass();
                self.refused = (!may_pass).then_some(looked_at);
                self.remember_compiling(&digest, &refusal);
                self.refuse(Some(digest), refusal.reason(), refusal.to_string()).await;
                !may_pass
            }
        }
    }

    /// The source holds the live component: a newer one was withdrawn, or only
    /// limits and settings changed.
    async fn is_live_already(&mut self, package: &Package) -> bool {
        self.status.candidate = None;
        self.refused = None;
        report::set_condition(&mut self.status, "Progressing", false, "UpToDate", UP_TO_DATE);
        let Some(working) = &mut self.working else { return true };
        working.retire_candidates();
        let old = working.live();
        // An Operlet that was deleted and made again took the earlier copy along.
        let (client, namespace) = (&self.shared.client, &self.shared.namespace);
        let kept = store_copy(client, namespace, &self.operlet, &old.digest, package).await;
        if let Err(error) = &kept {
            tracing::warn!(error = describe(error), "cannot keep the copy of the live component");
        }
        kept.is_ok()
    }

    /// After a start of the host: the component that is on record as live, from
    /// the host's own copy. False if it should be tried again.
    async fn resume(&mut self) -> bool {
        let Some(live) = self.status.live.clone() else { return true };
        let Ok(digest) = live.digest.parse::<Digest>() else { return true };
        let loaded = load_copy(&self.shared.client, &self.shared.namespace, &self.name, &digest).await;
        let bytes = match loaded {
            Ok(bytes) => bytes,
            Err(error @ operlets::CopyError::Api { .. }) => {
                report::set_condition(&mut self.status, "Ready", false, "CopyUnreadable", describe(&error));
                return false;
            }
            Err(error) => {
                // Only the source can help now.
                tracing::error!(error = describe(&error), "lost the copy of the live component");
                return true;
            }
        };
        if self.was_not_compiled(&digest) {
            return false;
        }
        // The pin speaks of what may be taken in, not of what runs already.
        match admit(&self.shared.engine, bytes, None, &self.stop).await {
            Ok(admitted) => self.start(admitted).await,
            Err(refusal) => {
                self.remember_compiling(&digest, &refusal);
                let message = format!("the live component cannot be loaded: {refusal}");
                report::set_condition(&mut self.status, "Ready", false, refusal.reason(), message);
                !refusal.may_pass()
            }
        }
    }

    /// Whether this component could not be compiled a moment ago.
    fn was_not_compiled(&self, digest: &Digest) -> bool {
        let last = self.not_compiled.as_ref();
        last.is_some_and(|(other, when)| other == digest && when.elapsed() < COMPILE_AGAIN)
    }

    fn remember_compiling(&mut self, digest: &Digest, refusal: &Refusal) {
        let not_compiled = matches!(refusal, Refusal::Load(LoadError::NotCompiled { .. }));
        self.not_compiled = not_compiled.then(|| (digest.clone(), Instant::now()));
    }

    /// Takes a new component in. True if only a change can lead further.
    async fn consider(&mut self, package: Package) -> Result<bool, Refusal> {
        let pinned = self.operlet.spec.digest.as_deref();
        let admitted = admit(&self.shared.engine, package.bytes.clone(), pinned, &self.stop).await?;
        if let Some(live) = &self.status.live {
            succeeds(&admitted.manifest, live)?;
        }
        let (digest, manifest) = (admitted.digest.clone(), Arc::clone(&admitted.manifest));
        let kept =
            store_copy(&self.shared.client, &self.shared.namespace, &self.operlet, &digest, &package).await;
        if let Err(error) = kept {
            self.wait_for(Some(&admitted), "CopyFailed", describe(&error));
            return Ok(false);
        }
        let live = Arc::new(self.live(admitted));
        if let Err(message) = self.watch_kinds(&live).await? {
            self.wait_for_live(&live, "KindsNotWatched", message);
            return Ok(false);
        }
        let before = self.status.clone();
        report::becomes_live(&mut self.status, digest.to_string(), &manifest);
        self.refused = None;
        report::set_condition(&mut self.status, "Progressing", false, "UpToDate", UP_TO_DATE);
        self.report_readiness();
        if !self.write_status().await {
            // What is not on record must not run: a restart would bring back another.
            self.status = before;
            return Ok(false);
        }
        self.take_over(live).await;
        self.became_live(&digest, &manifest.version).await;
        Ok(true)
    }

    /// Starts with a component that is on record already.
    async fn start(&mut self, admitted: Admitted) -> bool {
        let live = Arc::new(self.live(admitted));
        match self.watch_kinds(&live).await {
            Ok(Ok(())) => {
                self.take_over(live).await;
                true
            }
            Ok(Err(message)) => {
                report::set_condition(&mut self.status, "Ready", false, "KindsNotWatched", message);
                false
            }
            Err(refusal) => {
                report::set_condition(
                    &mut self.status,
                    "Ready",
                    false,
                    refusal.reason(),
                    refusal.to_string(),
                );
                false
            }
        }
    }

    /// Watches what a component needs; the inner error says which kind cannot be.
    async fn watch_kinds(&mut self, live: &Arc<Live>) -> Result<Result<(), String>, Refusal> {
        self.shared.claim_kind(&self.name, &live.manifest.primary.kind)?;
        if self.working.is_none() {
            let account = &self.operlet.spec.service_account_name;
            let belongings =
                Belongings { deletions: Arc::clone(&self.deletions), forbidden: Arc::clone(&self.forbidden) };
            match Surroundings::new(&self.shared, account, belongings) {
                Ok(surroundings) => {
                    self.working =
                        Some(Working::waiting(self.name.as_str().into(), surroundings, Arc::clone(live)))
                }
                Err(error) => return Ok(Err(describe(&error))),
            }
        }
        let Some(working) = &mut self.working else { return Ok(Ok(())) };
        // What has begun is taken up again, or ends with all else.
        let watched = match self.stop.run_until_cancelled(working.watch(live, SYNC)).await {
            Some(watched) => watched,
            None => Err("the host is stopping".to_owned()),
        };
        if watched.is_err() && !working.is_serving() {
            // Nothing runs on it yet; the next try begins anew.
            if let Some(working) = self.working.take() {
                working.stop().await;
            }
        }
        Ok(watched)
    }

    async fn take_over(&mut self, live: Arc<Live>) {
        if let Some(working) = &mut self.working {
            tracing::info!(digest = %live.digest, version = live.manifest.version, "live");
            working.serve(live).await;
        }
    }

    async fn became_live(&self, digest: &Digest, version: &str) {
        let message = format!("version {version} ({}) took over", digest.short());
        self.publish(EventType::Normal, "ComponentLive", message).await;
        let previous = self.status.previous.as_ref().and_then(|previous| previous.digest.parse().ok());
        let keep: Vec<&Digest> = std::iter::once(digest).chain(&previous).collect();
        let (client, namespace) = (&self.shared.client, &self.shared.namespace);
        if let Err(error) = remove_other_copies(client, namespace, &self.name, &keep).await {
            tracing::warn!(error = describe(&error), "cannot remove old copies");
        }
    }

    fn live(&self, admitted: Admitted) -> Live {
        let Admitted { digest, component, manifest } = admitted;
        let known = self.status.kinds.iter().map(ChildKind::from);
        let declared =
            |child: &ChildKind| manifest.children.iter().any(|own| own.resource.kind == child.resource.kind);
        let retired = known.filter(|child| !declared(child)).collect();
        let terms = Terms::new(&self.operlet.spec, &manifest);
        Live { digest, component, terms, retired, manifest }
    }

    fn account_changed(&self) -> bool {
        let account = &self.operlet.spec.service_account_name;
        self.working.as_ref().is_some_and(|working| working.account() != account)
    }

    async fn source_unreadable(&mut self, error: &SourceError) -> bool {
        let message = describe(error);
        match error {
            SourceError::Unpack { .. } => {
                self.refuse(None, "InvalidPackage", message).await;
                true
            }
            SourceError::NotFound { .. } => {
                self.status.candidate = None;
                self.refused = None;
                report::set_condition(&mut self.status, "Progressing", false, "SourceMissing", message);
                true
            }
            SourceError::Unreadable { .. } => {
                report::set_condition(&mut self.status, "Progressing", false, "SourceUnreadable", message);
                false
            }
        }
    }

    async fn refuse(&mut self, digest: Option<Digest>, reason: &'static str, message: String) {
        if self.stop.is_cancelled() {
            return;
        }
        let candidate = CandidateStatus {
            digest: digest.map(|digest| digest.to_string()),
            version: None,
            phase: "Refused".to_owned(),
            reason: reason.to_owned(),
            message: message.clone(),
        };
        if self.status.candidate.as_ref() != Some(&candidate) {
            tracing::warn!(reason, message, "component refused");
            self.shared.clients.metrics().operlet(&self.name).candidate_refused(reason);
            self.publish(EventType::Warning, reason, message).await;
        }
        report::stays_out(&mut self.status, candidate);
    }

    fn wait_for_live(&mut self, live: &Live, reason: &str, message: String) {
        let version = live.manifest.version.clone();
        self.waits(live.digest.to_string(), version, reason, message);
    }

    fn wait_for(&mut self, admitted: Option<&Admitted>, reason: &str, message: String) {
        if let Some(admitted) = admitted {
            self.waits(admitted.digest.to_string(), admitted.manifest.version.clone(), reason, message);
        }
    }

    fn waits(&mut self, digest: String, version: String, reason: &str, message: String) {
        let candidate = CandidateStatus {
            digest: Some(digest),
            version: Some(version),
            phase: "Waiting".to_owned(),
            reason: reason.to_owned(),
            message,
        };
        if self.status.candidate.as_ref() != Some(&candidate) {
            tracing::warn!(reason, message = candidate.message, "component waits");
        }
        report::stays_out(&mut self.status, candidate);
    }

    fn report_readiness(&mut self) {
        let Some(working) = self.working.as_ref().filter(|working| working.is_serving()) else {
            let ready = self.status.conditions.iter().find(|condition| condition.type_ == "Ready");
            // What keeps the live one from being loaded was told already.
            if self.status.live.is_none() || ready.is_none_or(|ready| ready.status == "True") {
                let message = "no component is at work";
                report::set_condition(&mut self.status, "Ready", false, "NoComponent", message);
            }
            return;
        };
        match working.faults(&working.live()) {
            None => {
                let message =
                    format!("{} is live and its kinds are watched", working.live().manifest.version);
                report::set_condition(&mut self.status, "Ready", true, "Live", message);
            }
            Some(faults) => {
                report::set_condition(&mut self.status, "Ready", false, "CannotWatch", faults);
            }
        }
    }

    async fn faults_change(&mut self) {
        match &mut self.working {
            Some(working) => working.faults_change().await,
            None => std::future::pending().await,
        }
    }

    /// Writes the status if it changed; false if it could not be written.
    async fn write_status(&mut self) -> bool {
        if self.written.as_ref() == Some(&self.status) {
            return true;
        }
        match report::write(&self.shared.client, &self.operlet, &self.status).await {
            Ok(()) => {
                self.written = Some(self.status.clone());
                true
            }
            // It was deleted meanwhile; this installation is about to be stopped.
            Err(kube::Error::Api(status)) if status.is_not_found() => false,
            Err(error) => {
                tracing::warn!(error = describe(&error), "cannot write the Operlet's status");
                false
            }
        }
    }

    async fn publish(&self, type_: EventType, reason: &str, message: String) {
        let event = Event { type_, reason: reason.to_owned(), message, action: "Swap".to_owned() };
        let about = ObjectReference {
            api_version: Some("operlet.dev/v1alpha1".to_owned()),
            kind: Some("Operlet".to_owned()),
            name: Some(self.name.clone()),
            uid: self.operlet.metadata.uid.clone(),
            ..ObjectReference::default()
        };
        self.events.publish(&event, &about).await;
    }
}

/// The kind that a component on record reconciles, where the record says enough.
fn primary(live: &ComponentStatus) -> Option<ResourceKind> {
    let (version, plural) = (live.api_version.clone()?, live.plural.clone()?);
    let kind = GroupVersionKind { group: live.group.clone(), version, kind: live.kind.clone() };
    // A resource without a namespace is addressed in the same way.
    Some(ResourceKind { kind, plural, namespaced: true })
}
