//! Where pods are, and were: kept up to date by a watch, so that looking costs nothing.

use std::{
    collections::BTreeMap,
    io::BufReader,
    net::IpAddr,
    process::{Child, Stdio},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    thread::{JoinHandle, sleep},
    time::Duration,
};

use operlet_lab::Lab;
use serde_json::{Deserializer, Value};

/// Between the end of a watch, when the API server goes, and the next one.
const PAUSE: Duration = Duration::from_millis(200);

/// A pod that has an address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Seat {
    pub(crate) pod: String,
    pub(crate) uid: String,
    /// The number of its node.
    pub(crate) node: u8,
    pub(crate) address: IpAddr,
}

/// The pods of a selector.
#[derive(Clone)]
pub(crate) struct Seats {
    shared: Arc<Shared>,
}

/// What keeps them up to date, as long as this lives.
pub(crate) struct Watch {
    seats: Seats,
    thread: Option<JoinHandle<()>>,
}

#[derive(Default)]
struct Shared {
    stop: AtomicBool,
    kubectl: Mutex<Option<Child>>,
    known: Mutex<Known>,
}

#[derive(Default)]
struct Known {
    /// By name: those that Kubernetes knows of.
    present: BTreeMap<String, Seat>,
    /// Also those that it does not know of any more, which may run all the same.
    ever: Vec<Seat>,
}

impl Seat {
    /// Reads a pod; none if it has no address yet.
    pub(crate) fn of(pod: &Value) -> Option<Self> {
        let text = |pointer: &str| pod.pointer(pointer).and_then(Value::as_str);
        Some(Self {
            pod: text("/metadata/name")?.to_owned(),
            uid: text("/metadata/uid")?.to_owned(),
            node: node_number(text("/spec/nodeName")?)?,
            address: text("/status/podIP")?.parse().ok()?,
        })
    }
}

/// The number of a node of the lab.
pub(crate) fn node_number(name: &str) -> Option<u8> {
    name.strip_prefix("node")?.parse().ok()
}

impl Seats {
    /// The pods that are there, by their names.
    pub(crate) fn present(&self) -> Vec<Seat> {
        self.shared.known().present.values().cloned().collect()
    }

    /// These, and those that were there.
    pub(crate) fn ever(&self) -> Vec<Seat> {
        self.shared.known().ever.clone()
    }
}

impl Watch {
    /// Begins to watch the pods of a namespace with these labels.
    pub(crate) fn start(lab: &Lab, namespace: &str, selector: &str) -> Self {
        let shared = Arc::new(Shared::default());
        let (lab, of_thread) = (lab.clone(), Arc::clone(&shared));
        let arguments = ["get", "pods", "-n", namespace, "-l", selector];
        let arguments: Vec<String> = arguments
            .into_iter()
            .chain(["--watch", "--output-watch-events", "-o", "json"])
            .map(String::from)
            .collect();
        let thread = std::thread::spawn(move || of_thread.work(&lab, &arguments));
        Self { seats: Seats { shared }, thread: Some(thread) }
    }

    pub(crate) fn seats(&self) -> Seats {
        self.seats.clone()
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.seats.shared.stop.store(true, Ordering::SeqCst);
        self.seats.shared.end();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

impl Shared {
    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Ends the present watch.
    fn end(&self) {
        if let Some(mut kubectl) = self.kubectl.lock().unwrap_or_else(PoisonError::into_inner).take() {
            let _ = kubectl.kill();
            let _ = kubectl.wait();
        }
    }

    fn work(&self, lab: &Lab, arguments: &[String]) {
        while !self.stop.load(Ordering::SeqCst) {
            let mut command = lab.kubectl_command();
            command.args(arguments).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
            if let Ok(mut kubectl) = command.spawn() {
                let output = kubectl.stdout.take();
                *self.kubectl.lock().unwrap_or_else(PoisonError::into_inner) = Some(kubectl);
                // Whoever stops it either finds the process there or is seen here.
                if self.stop.load(Ordering::SeqCst) {
                    self.end();
                }
                let events =
                    output.map(|output| Deserializer::from_reader(BufReader::new(output)).into_iter());
                for event in events.into_iter().flatten().map_while(Result::<Value, _>::ok) {
                    self.known().see(&event);
                }
                self.end();
            }
            sleep(PAUSE);
        }
    }
}

impl Known {
    fn see(&mut self, event: &Value) {
        let pod = event.get("object").unwrap_or(event);
        let Some(seat) = Seat::of(pod) else { return };
        if event.get("type").and_then(Value::as_str) == Some("DELETED") {
            self.present.retain(|_, present| present.uid != seat.uid);
            return;
        }
        if !self.ever.contains(&seat) {
            self.ever.push(seat.clone());
        }
        self.present.insert(seat.pod.clone(), seat);
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn event(kind: &str, pod: &str, uid: &str, address: &str) -> Value {
        let metadata = json!({ "name": pod, "uid": uid });
        let status = json!({ "podIP": address });
        json!({ "type": kind, "object": { "metadata": metadata, "spec": { "nodeName": "node2" }, "status": status } })
    }

    #[test]
    fn a_pod_that_was_made_again_leaves_its_place_on_record() {
        let mut known = Known::default();
        known.see(&json!({ "type": "ADDED", "object": { "metadata": { "name": "a-0", "uid": "1" } } }));
        assert!(known.ever.is_empty(), "it has no address yet");
        for event in [
            event("MODIFIED", "a-0", "1", "10.0.0.1"),
            event("MODIFIED", "a-0", "1", "10.0.0.1"),
            event("ADDED", "a-0", "2", "10.0.0.2"),
            event("DELETED", "a-0", "1", "10.0.0.1"),
        ] {
            known.see(&event);
        }
        let addresses =
            |seats: Vec<&Seat>| seats.iter().map(|seat| seat.address.to_string()).collect::<Vec<_>>();
        assert_eq!(addresses(known.present.values().collect()), ["10.0.0.2"]);
        assert_eq!(addresses(known.ever.iter().collect()), ["10.0.0.1", "10.0.0.2"]);
        known.see(&event("DELETED", "a-0", "2", "10.0.0.2"));
        assert!(known.present.is_empty());
    }
}
