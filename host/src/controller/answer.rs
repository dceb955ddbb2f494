//! Answers what a component asks: reads as the operlet's ServiceAccount, and
//! exchanges with pods of the resource.

use std::{collections::BTreeMap, sync::Arc};

use futures::future::join_all;
use kube::{ResourceExt as _, api::ListParams};
use tokio::time::Instant;

use super::{
    dependencies::{Read, Version},
    informer::{api_for, describe},
    observe::Observed,
    reach,
    runtime::{Live, Runtime},
    store::{Given, Stored},
};
use crate::{
    exchange::Room,
    model::{
        Answer, Effect, Exchange, ExchangeEnd, GroupVersionKind, ObjectKey, Question, Request, ResourceKind,
        Response,
    },
    plan::Fingerprint,
};

/// Reads side by side for one operlet: each holds an answer of the API server.
pub(super) const READS_MAX: usize = 8;

/// Objects of the first page of a list. They may be large ones; those of the next
/// are as many as there is room for if they are like these.
const FIRST_PAGE: usize = 16;

/// What a list may bring: more is never cut off silently.
const LISTED_MAX: usize = 512;

/// Answers for one reconcile.
pub(super) struct Asking<'a> {
    pub(super) runtime: &'a Runtime,
    pub(super) live: &'a Live,
    pub(super) observed: &'a Observed,
    /// When the reconcile must be over.
    pub(super) deadline: Instant,
    /// For all answers of the reconcile.
    pub(super) room: &'a Arc<Room>,
}

/// What came of the questions of one round.
pub(super) struct Answered {
    pub(super) answers: Vec<Answer>,
    /// What was read.
    pub(super) reads: BTreeMap<Read, Fingerprint>,
    /// Reads that were refused for want of a right.
    pub(super) forbidden: Vec<String>,
}

/// What came of one question.
struct One {
    response: Response,
    read: Option<(Read, Fingerprint)>,
    forbidden: Option<String>,
}

impl One {
    fn of(response: Response) -> Self {
        Self { response, read: None, forbidden: None }
    }
}

impl Asking<'_> {
    /// Answers all of them side by side; it takes as long as the slowest.
    pub(super) async fn answer(&self, questions: Vec<Question>) -> Answered {
        let all = questions
            .into_iter()
            .map(|Question { id, request }| async move { (id, self.one(request).await) });
        let mut answered = Answered { answers: Vec::new(), reads: BTreeMap::new(), forbidden: Vec::new() };
        for (id, One { response, read, forbidden }) in join_all(all).await {
            answered.answers.push(Answer { id, response });
            answered.reads.extend(read);
            answered.forbidden.extend(forbidden);
        }
        answered
    }

    async fn one(&self, request: Request) -> One {
        // The semaphore is never closed.
        match request {
            Request::Get(key) => {
                let _turn = self.runtime.reading.acquire().await;
                self.get(key).await
            }
            Request::List { kind, selector } => {
                let _turn = self.runtime.reading.acquire().await;
                self.list(&kind, selector).await
            }
            Request::Exchange(exchange) => One::of(Response::Exchange(self.exchange(exchange).await)),
        }
    }

    async fn get(&self, asked: ObjectKey) -> One {
        let kind = match self.readable(&asked.kind, asked.namespace.as_deref()) {
            Ok(kind) => kind,
            Err(reason) => return One::of(Response::Denied(reason)),
        };
        let namespace = self.namespace(kind);
        let key = ObjectKey { namespace: namespace.clone(), ..asked };
        let read = Read::object(key.clone());
        if let Err(error) = self.runtime.dependencies.watch(self.resource(), kind, &read) {
            return One::of(Response::Unavailable(error.to_string()));
        }
        let api = api_for(&self.runtime.client, kind, namespace.as_deref());
        match api.get_opt(&key.name).await {
            Ok(found) => {
                let versions = found.iter().map(version).collect();
                let read = self.runtime.dependencies.found(read, versions);
                let object = found.map(|object| Stored::new(&key.kind, object).json);
                let fits = object.as_ref().is_none_or(|json| self.room.take(json.len()));
                let response = if fits {
                    Response::Object(object)
                } else {
                    Response::Denied(self.no_room(&key.to_string()))
                };
                One { response, read: Some(read), forbidden: None }
            }
            Err(error) => failed(&error, read, &format!("get {key}")),
        }
    }

    async fn list(&self, asked: &GroupVersionKind, selector: String) -> One {
        let kind = match self.readable(asked, None) {
            Ok(kind) => kind,
            Err(reason) => return One::of(Response::Denied(reason)),
        };
        let namespace = self.namespace(kind);
        let shared = Arc::new(kind.kind.clone());
        let read = Read::list(Arc::clone(&shared), namespace.clone(), selector.clone());
        if let Err(error) = self.runtime.dependencies.watch(self.resource(), kind, &read) {
            return One::of(Response::Unavailable(error.to_string()));
        }
        let api = api_for(&self.runtime.client, kind, namespace.as_deref());
        let mut listed = Listed::default();
        let denied = loop {
            let params = ListParams::default().labels(&selector).limit(listed.next_page(self.room));
            // Without a version the list is of the most recent state, and its further
            // pages are of the same.
            let page = match api
                .list(&listed.from.iter().fold(params, |all, from| all.continue_token(from)))
                .await
            {
                Ok(page) => page,
                Err(error) => {
                    self.room.give_back(listed.bytes);
                    return failed(&error, read, &format!("list {}", kind.plural));
                }
            };
            listed.from = page.metadata.continue_.filter(|from| !from.is_empty());
            if !listed.take(&shared, page.items, self.room) {
                break Some(self.no_room(&format!("the {} that match {selector:?}", kind.plural)));
            }
            if listed.objects.len() > LISTED_MAX {
                let plural = &kind.plural;
                break Some(format!(
                    "more than {LISTED_MAX} {plural} match {selector:?}: narrow the selector"
                ));
            }
            if listed.from.is_none() {
                break None;
            }
        };
        let Listed { mut objects, versions, bytes, .. } = listed;
        if denied.is_some() {
            // The others shall not suffer for what is not shown.
            self.room.give_back(bytes);
        }
        let read = self.runtime.dependencies.found(read, versions);
        let response = denied.map_or_else(
            || {
                objects.sort_by(|left, right| left.key.name.cmp(&right.key.name));
                Response::Objects(objects.into_iter().map(|object| object.json).collect())
            },
            Response::Denied,
        );
        One { response, read: Some(read), forbidden: None }
    }

    /// What was read is more than the component can be shown.
    fn no_room(&self, what: &str) -> String {
        let limit = self.live.terms.limits.input_bytes;
        self.runtime.metrics.limit_breach("input");
        format!(
            "there is no room for {what}: all that is shown may have {limit} bytes together (limit inputKibibytes)"
        )
    }

    async fn exchange(&self, exchange: Exchange) -> ExchangeEnd {
        let ended = match exchange.effect {
            Effect::Probe => self.talk(&exchange).await,
            Effect::Act => self.act(&exchange).await,
        };
        ended.unwrap_or_else(|before| {
            // What was never run was not counted there.
            self.runtime.metrics.exchange(exchange.effect.name(), before.name());
            before
        })
    }

    /// As [`Asking::talk`]. An act is made only while the resource is what the
    /// component was shown and this host may act; nothing of it is sent later.
    async fn act(&self, exchange: &Exchange) -> Result<ExchangeEnd, ExchangeEnd> {
        let target = reach::target(self.runtime, self.resource(), exchange).await?;
        let leadership = &self.runtime.leadership;
        let Some(held) = leadership.held_until() else { return Err(ExchangeEnd::Stale) };
        // All that takes time comes before: the connection stands when this is asked.
        let may_act = async { self.is_current().await && leadership.may_write() };
        let deadline = self.deadline.min(held);
        Ok(self.runtime.exchanges.within(self.room).run_if(exchange, &target, deadline, may_act).await)
    }

    /// Whether the resource is, at this moment, what the component was shown.
    async fn is_current(&self) -> bool {
        let primary = &self.live.manifest.primary;
        let api = api_for(&self.runtime.client, primary, self.resource().namespace.as_deref());
        let seen = &self.observed.resource;
        match api.get_metadata_opt(&self.resource().name).await {
            Ok(current) => current.is_some_and(|current| {
                current.uid().as_deref() == Some(seen.uid())
                    && current.resource_version().as_deref() == Some(seen.resource_version())
            }),
            Err(error) => {
                tracing::warn!(error = describe(&error), "cannot read the resource before an act");
                false
            }
        }
    }

    /// How an exchange ended; as an error, that it did before it began.
    async fn talk(&self, exchange: &Exchange) -> Result<ExchangeEnd, ExchangeEnd> {
        let target = reach::target(self.runtime, self.resource(), exchange).await?;
        Ok(self.runtime.exchanges.within(self.room).run(exchange, &target, self.deadline).await)
    }

    fn resource(&self) -> &ObjectKey {
        &self.observed.owner.key
    }

    /// Where objects of a kind are read.
    fn namespace(&self, kind: &ResourceKind) -> Option<String> {
        self.resource().namespace.clone().filter(|_| kind.namespaced)
    }

    /// The kind, if the component may read it; else why not.
    fn readable(&self, asked: &GroupVersionKind, namespace: Option<&str>) -> Result<&ResourceKind, String> {
        let manifest = &self.live.manifest;
        let children = manifest.children.iter().map(|child| &child.resource);
        let mut named = std::iter::once(&manifest.primary)
            .chain(children)
            .chain(&manifest.observed_only)
            .chain(&manifest.reads);
        let Some(kind) = named.find(|kind| kind.kind == *asked) else {
            return Err(format!("the component's manifest does not name {asked}; add it to `reads`"));
        };
        let own = self.resource().namespace.as_deref();
        if kind.namespaced && own.is_none() {
            return Err(format!("{asked} lives in namespaces, and the resource in none"));
        }
        match namespace {
            Some(namespace) if !kind.namespaced || Some(namespace) != own => Err(format!(
                "{asked} may be read only {}",
                own.filter(|_| kind.namespaced)
                    .map_or("without a namespace".to_owned(), |own| format!("in the namespace {own}"))
            )),
            _ => Ok(kind),
        }
    }
}

/// What a list has brought so far.
#[derive(Default)]
struct Listed {
    objects: Vec<Stored>,
    versions: Vec<(String, Version)>,
    bytes: usize,
    from: Option<String>,
}

impl Listed {
    /// How many objects to ask for next: one more than may be shown tells that there
    /// are too many.
    fn next_page(&self, room: &Room) -> u32 {
        let wanted = (LISTED_MAX + 1).saturating_sub(self.objects.len());
        let fit = match self.bytes.checked_div(self.objects.len()) {
            None => FIRST_PAGE,
            Some(mean) => room.left().checked_div(mean).unwrap_or(wanted) + 1,
        };
        u32::try_from(wanted.min(fit)).unwrap_or(u32::MAX)
    }

    /// Takes a page in; false if there is no room for it.
    fn take(&mut self, kind: &Arc<GroupVersionKind>, page: Vec<Given>, room: &Room) -> bool {
        for object in page {
            self.versions.push(version(&object));
            let stored = Stored::new(kind, object);
            if !room.take(stored.json.len()) {
                return false;
            }
            self.bytes += stored.json.len();
            self.objects.push(stored);
        }
        true
    }
}

fn version(object: &Given) -> (String, Version) {
    let version = Version {
        uid: object.uid().unwrap_or_default(),
        resource_version: object.resource_version().unwrap_or_default(),
    };
    (object.name_any(), version)
}

fn failed(error: &kube::Error, read: Read, what: &str) -> One {
    let reason = format!("cannot {what}: {}", describe(error));
    // What is there is not known, so whatever the watch brings is a change.
    let read = (read, Fingerprint::default());
    match error {
        kube::Error::Api(status) if status.is_forbidden() => {
            One { response: Response::Denied(reason.clone()), read: Some(read), forbidden: Some(reason) }
        }
        // A selector that is none, or a kind that nobody serves.
        kube::Error::Api(status) if status.code == 400 || status.is_not_found() => {
            One { response: Response::Denied(reason), read: Some(read), forbidden: None }
        }
        _ => One { response: Response::Unavailable(reason), read: Some(read), forbidden: None },
    }
}
