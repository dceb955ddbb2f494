//! A series of requests, and what was answered.

use std::{collections::BTreeMap, time::Duration};

use futures::StreamExt as _;
use http::{Method, Request};
use http_body_util::BodyExt as _;
use kube::{Client, client::Body};
use serde_json::{Value, json};

use crate::normal::Normal;

/// How long a watch is listened to for what should come.
const PATIENCE: Duration = Duration::from_secs(10);

/// How long a watch is listened to for what should not come.
const QUIET: Duration = Duration::from_millis(300);

/// Asks an API server, and keeps what it answers.
pub(crate) struct Script {
    client: Client,
    pub(crate) namespace: String,
    /// A part of names that no other case uses.
    pub(crate) mark: String,
    normal: Normal,
    pub(crate) answers: Vec<Value>,
    user: Option<String>,
    accept: Option<String>,
}

impl Script {
    pub(crate) fn new(client: Client, namespace: &str, mark: &str) -> Self {
        let normal = Normal::new(namespace);
        let (namespace, mark) = (namespace.to_owned(), mark.to_owned());
        Self { client, namespace, mark, normal, answers: Vec::new(), user: None, accept: None }
    }

    /// Acts as another user from now on.
    pub(crate) fn act_as(&mut self, user: &str) {
        self.user = Some(user.to_owned());
    }

    /// The path of this namespace's objects of a kind, such as `v1/configmaps`.
    pub(crate) fn at(&self, kind: &str) -> String {
        let (version, plural) = kind.rsplit_once('/').expect("a kind is version and plural");
        let root = if version.contains('/') { "apis" } else { "api" };
        format!("/{root}/{version}/namespaces/{}/{plural}", self.namespace)
    }

    async fn send(&mut self, method: Method, path: &str, content: &str, body: Vec<u8>) -> (u16, Value) {
        let mut request = Request::builder().method(method).uri(path).header("user-agent", "conformance/1");
        if !body.is_empty() {
            request = request.header("content-type", content);
        }
        if let Some(user) = &self.user {
            request = request.header("impersonate-user", user);
        }
        if let Some(accept) = &self.accept {
            request = request.header("accept", accept);
        }
        let request = request.body(Body::from(body)).expect("a request");
        let response = self.client.send(request).await.expect("an answer");
        let code = response.status().as_u16();
        let body = response.into_body().collect().await.expect("a body").to_bytes();
        (code, serde_json::from_slice(&body).unwrap_or_else(|_| json!(String::from_utf8_lossy(&body))))
    }

    /// Asks, and keeps the answer.
    pub(crate) async fn ask(&mut self, method: Method, path: &str, content: &str, body: Value) -> Value {
        let sent = if body.is_null() { Vec::new() } else { body.to_string().into_bytes() };
        let (code, answer) = self.send(method.clone(), path, content, sent).await;
        let path = self.normal.text(path);
        let path = path.split("continue=").next().unwrap_or_default().to_owned();
        let normal = self.normal.of(&answer);
        self.answers.push(json!({ "request": format!("{method} {path}"), "code": code, "answer": normal }));
        answer
    }

    /// Asks, and keeps only the code and reason of the answer: the words are those of
    /// one implementation.
    pub(crate) async fn ask_roughly(&mut self, method: Method, path: &str, content: &str, body: Value) {
        self.ask(method, path, content, body).await;
        if let Some(answer) = self.answers.last_mut() {
            let reason = answer.pointer("/answer/reason").cloned();
            answer["answer"] = json!({ "reason": reason });
        }
    }

    /// Asks, and keeps nothing.
    pub(crate) async fn ask_aside(&mut self, method: Method, path: &str, body: Value) -> (u16, Value) {
        self.send(method, path, "application/json", body.to_string().into_bytes()).await
    }

    /// Keeps these parts of an answer: JSON pointers.
    pub(crate) fn keep_of(&mut self, code: u16, answer: &Value, parts: &[&'static str]) {
        let part = |part: &&'static str| (*part, answer.pointer(part).map(|value| self.normal.of(value)));
        let kept: BTreeMap<&str, Option<Value>> = parts.iter().map(part).collect();
        self.answers.push(json!({ "request": "a part of an answer", "code": code, "answer": kept }));
    }

    /// Asks, and keeps nothing; it must succeed.
    pub(crate) async fn prepare(&mut self, method: Method, path: &str, body: Value) -> Value {
        let (code, answer) = self.send(method, path, "application/json", body.to_string().into_bytes()).await;
        assert!(code < 300, "{path}: {answer}");
        answer
    }

    /// Looks, and keeps nothing.
    pub(crate) async fn look(&mut self, path: &str) -> Value {
        self.send(Method::GET, path, "", Vec::new()).await.1
    }

    /// Lays something over an object, and keeps nothing; it must succeed.
    pub(crate) async fn lay_over(&mut self, path: &str, body: Value) {
        let body = body.to_string().into_bytes();
        let (code, answer) = self.send(Method::PATCH, path, "application/merge-patch+json", body).await;
        assert!(code < 300, "{path}: {answer}");
    }

    /// From now on something stands for a word that is another each time.
    pub(crate) fn hide(&mut self, word: &str, shown: &str) {
        self.normal.hide(word, shown);
    }

    /// Keeps something that was found out.
    pub(crate) fn note(&mut self, what: &str, found: &Value) {
        let found = self.normal.of(found);
        self.answers.push(json!({ "request": what, "code": 0, "answer": found }));
    }

    pub(crate) async fn get(&mut self, path: &str) -> Value {
        self.ask(Method::GET, path, "", Value::Null).await
    }

    /// Asks for no more than metadata.
    pub(crate) async fn partial(&mut self, path: &str) -> Value {
        let form = if path.contains('?') { "PartialObjectMetadataList" } else { "PartialObjectMetadata" };
        self.accept = Some(format!("application/json;as={form};g=meta.k8s.io;v=v1"));
        let answer = self.get(path).await;
        self.accept = None;
        answer
    }

    pub(crate) async fn post(&mut self, path: &str, body: Value) -> Value {
        self.ask(Method::POST, path, "application/json", body).await
    }

    pub(crate) async fn put(&mut self, path: &str, body: Value) -> Value {
        self.ask(Method::PUT, path, "application/json", body).await
    }

    pub(crate) async fn delete(&mut self, path: &str, body: Value) -> Value {
        self.ask(Method::DELETE, path, "application/json", body).await
    }

    pub(crate) async fn merge(&mut self, path: &str, body: Value) -> Value {
        self.ask(Method::PATCH, path, "application/merge-patch+json", body).await
    }

    pub(crate) async fn json_patch(&mut self, path: &str, body: Value) -> Value {
        self.ask(Method::PATCH, path, "application/json-patch+json", body).await
    }

    /// Applies as a field manager.
    pub(crate) async fn apply(&mut self, path: &str, manager: &str, body: Value) -> Value {
        let mark = if path.contains('?') { '&' } else { '?' };
        let path = format!("{path}{mark}fieldManager={manager}");
        self.ask(Method::PATCH, &path, "application/apply-patch+yaml", body).await
    }

    /// Asks again and again until an answer is as it should become, and keeps its code.
    pub(crate) async fn until(&mut self, path: &str, is: impl Fn(u16, &Value) -> bool) {
        for _ in 0..600 {
            let (code, answer) = self.send(Method::GET, path, "", Vec::new()).await;
            if is(code, &answer) {
                let path = self.normal.text(path);
                self.answers.push(json!({ "request": format!("GET {path} until"), "code": code }));
                return;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        panic!("{path} has not become what it should")
    }

    /// Begins to watch.
    pub(crate) async fn watch(&mut self, path: &str, query: &str) -> Watch {
        let request =
            Request::get(format!("{path}?watch=true&{query}")).body(Body::empty()).expect("a request");
        let response = self.client.send(request).await.expect("an answer");
        let code = response.status().as_u16();
        let frames = response.into_body().into_data_stream();
        // A server that goes down breaks it off.
        let frames = frames.take_while(|frame| futures::future::ready(frame.is_ok()));
        let bytes = frames.map(|frame| frame.expect("a part of a watch").to_vec());
        Watch { code, bytes: bytes.boxed(), rest: Vec::new() }
    }

    /// Keeps the next so many events of a watch.
    pub(crate) async fn hear(&mut self, watch: &mut Watch, count: usize) -> Vec<Value> {
        let mut events = Vec::new();
        for _ in 0..count {
            events.push(watch.next(PATIENCE).await.unwrap_or_else(|| json!("nothing came")));
        }
        self.keep(watch, &events);
        events
    }

    /// Keeps that nothing more comes.
    pub(crate) async fn hear_nothing(&mut self, watch: &mut Watch) {
        let events: Vec<Value> = watch.next(QUIET).await.into_iter().collect();
        self.keep(watch, &events);
    }

    /// Keeps that a watch ends.
    pub(crate) async fn hear_end(&mut self, watch: &mut Watch) {
        let ended = watch.ends(PATIENCE).await;
        self.answers.push(json!({ "request": "watch", "code": watch.code, "ended": ended }));
    }

    fn keep(&mut self, watch: &Watch, events: &[Value]) {
        let normal: Vec<Value> = events.iter().map(|event| self.normal.of(event)).collect();
        self.answers.push(json!({ "request": "watch", "code": watch.code, "answer": normal }));
    }

    /// Creates a definition of a kind that only this case has.
    pub(crate) async fn define(&mut self, version: Value) -> String {
        let group = format!("{}.conformance.operlet.dev", self.mark);
        let mut version = version;
        for (key, value) in [("name", json!("v1")), ("served", json!(true)), ("storage", json!(true))] {
            version.as_object_mut().expect("a version").entry(key).or_insert(value);
        }
        let definition = json!({
            "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
            "metadata": { "name": format!("things.{group}") },
            "spec": {
                "group": group, "scope": "Namespaced",
                "names": { "plural": "things", "kind": "Thing" },
                "versions": [version],
            },
        });
        let definitions = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";
        self.prepare(Method::POST, definitions, definition).await;
        let things = self.at(&format!("{group}/v1/things"));
        for _ in 0..200 {
            let (code, _) = self.send(Method::GET, &things, "", Vec::new()).await;
            if code == 200 {
                return format!("{group}/v1");
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        panic!("{things} are not served")
    }

    /// Removes what this case defined.
    pub(crate) async fn end(&mut self) {
        self.user = None;
        let group = format!("{}.conformance.operlet.dev", self.mark);
        let definition = format!("/apis/apiextensions.k8s.io/v1/customresourcedefinitions/things.{group}");
        self.send(Method::DELETE, &definition, "", Vec::new()).await;
    }

    /// The path without what only this case calls so.
    pub(crate) fn transcript(&self) -> Value {
        let text = Value::Array(self.answers.clone()).to_string().replace(&self.mark, "<mark>");
        serde_json::from_str(&text).expect("JSON with other words")
    }

    /// How many answers there were of each code.
    pub(crate) fn codes(&self) -> BTreeMap<u64, usize> {
        let mut codes = BTreeMap::new();
        for answer in &self.answers {
            *codes.entry(answer["code"].as_u64().unwrap_or_default()).or_default() += 1;
        }
        codes
    }
}

/// A watch that goes on.
pub(crate) struct Watch {
    code: u16,
    bytes: futures::stream::BoxStream<'static, Vec<u8>>,
    rest: Vec<u8>,
}

impl Watch {
    async fn ends(&mut self, patience: Duration) -> bool {
        let end = async { while self.bytes.next().await.is_some() {} };
        tokio::time::timeout(patience, end).await.is_ok()
    }

    async fn next(&mut self, patience: Duration) -> Option<Value> {
        let line = async {
            loop {
                if let Some(end) = self.rest.iter().position(|byte| *byte == b'\n') {
                    let line: Vec<u8> = self.rest.drain(..=end).collect();
                    return Some(serde_json::from_slice(&line).expect("an event is JSON"));
                }
                match self.bytes.next().await {
                    Some(bytes) => self.rest.extend(bytes),
                    None => return None,
                }
            }
        };
        tokio::time::timeout(patience, line).await.ok().flatten()
    }
}
