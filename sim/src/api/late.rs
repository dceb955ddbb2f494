//! Watches that hear of changes late, as they do of an API server under load: each in
//! order, and each as late as chance will have it.

use std::{collections::VecDeque, time::Duration};

use bytes::Bytes;
use tokio::time::Instant;

use crate::chance::Chance;

/// How many changes a list is behind at most that may be.
const BEHIND: u64 = 16;

/// What somebody who watches is told, and not before when.
#[derive(Clone, Debug)]
pub(crate) struct Told {
    pub(crate) due: Option<Instant>,
    pub(crate) line: Bytes,
}

/// Until when watches hear of changes late, and how late at most.
#[derive(Debug)]
pub(crate) struct Delays {
    longest: Duration,
    until: Instant,
    chance: Chance,
}

impl Delays {
    pub(crate) fn new(longest: Duration, until: Instant, chance: Chance) -> Self {
        Self { longest, until, chance }
    }

    /// When somebody hears of what happens now who heard of the last thing at this time.
    fn due(&mut self, now: Instant) -> Option<Instant> {
        (now < self.until).then(|| now + self.chance.between(Duration::ZERO, self.longest))
    }

    /// The version that a list shows which may be behind.
    pub(crate) fn behind(&self, version: u64, now: Instant) -> u64 {
        // The same list is as far behind when it is asked for again.
        let behind = Chance::new(version).next() % BEHIND;
        if now < self.until { version.saturating_sub(behind) } else { version }
    }
}

/// When one who watches has heard of all that was told so far.
#[derive(Debug, Default)]
pub(crate) struct Lag(Option<Instant>);

impl Lag {
    /// When the next is heard of: never before what was told earlier.
    pub(crate) fn next(&mut self, delays: Option<&mut Delays>) -> Option<Instant> {
        if self.0.is_none() && delays.is_none() {
            return None;
        }
        let now = Instant::now();
        let due = delays.and_then(|delays| delays.due(now));
        self.0 = self.0.max(due).filter(|due| *due > now);
        self.0
    }
}

/// What is told and not due yet.
#[derive(Debug, Default)]
pub(crate) struct Pending(VecDeque<(Instant, Bytes)>);

impl Pending {
    /// Takes what is told now, or keeps it until it is due.
    pub(crate) fn put(&mut self, told: Told) -> Option<Bytes> {
        match told.due {
            None if self.0.is_empty() => return Some(told.line),
            due => self.0.push_back((due.unwrap_or_else(Instant::now), told.line)),
        }
        None
    }

    /// The next that is due.
    pub(crate) fn take(&mut self) -> Option<Bytes> {
        let (due, _) = self.0.front()?;
        if *due > Instant::now() {
            return None;
        }
        self.0.pop_front().map(|(_, line)| line)
    }

    pub(crate) fn due(&self) -> Option<Instant> {
        self.0.front().map(|(due, _)| *due)
    }

    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use futures::{StreamExt as _, TryStreamExt as _};
    use k8s_openapi::api::core::v1::ConfigMap;
    use kube::{
        Api, ResourceExt as _,
        api::{ListParams, WatchEvent, WatchParams},
    };
    use serde_json::json;
    use tokio::time::sleep;

    use super::*;
    use crate::api::ApiServer;

    const LONGEST: Duration = Duration::from_secs(3);

    fn map(number: u64) -> ConfigMap {
        serde_json::from_value(json!({ "metadata": { "name": format!("map-{number}") } })).unwrap()
    }

    fn server(seed: u64) -> (ApiServer, Api<ConfigMap>) {
        let server = ApiServer::new(Arc::new(jiff::Timestamp::now), seed);
        let maps = Api::default_namespaced(server.administrator());
        (server, maps)
    }

    /// When two who watch heard of which of ten maps, in milliseconds.
    fn heard(seed: u64) -> [Vec<(String, u128)>; 2] {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
        runtime.unwrap().block_on(async {
            let (server, maps) = server(seed);
            let begun = Instant::now();
            server.delay_watches(LONGEST, begun + Duration::from_secs(60));
            let watches = [(); 2].map(|()| {
                let maps = maps.clone();
                tokio::spawn(async move {
                    let watch = maps.watch(&WatchParams::default(), "0").await.unwrap();
                    let added = watch.try_filter_map(async |event| match event {
                        WatchEvent::Added(map) => Ok(Some((map.name_any(), begun.elapsed().as_millis()))),
                        _ => Ok(None),
                    });
                    added.take(10).try_collect().await.unwrap()
                })
            });
            for number in 0..10 {
                sleep(Duration::from_millis(500)).await;
                maps.create(&Default::default(), &map(number)).await.unwrap();
                // Who asks is told at once.
                let listed = maps.list(&ListParams::default()).await.unwrap().items.len();
                assert_eq!(u64::try_from(listed).unwrap(), number + 1);
            }
            let [one, two] = watches;
            [one.await.unwrap(), two.await.unwrap()]
        })
    }

    #[test]
    fn watches_hear_late_and_in_order_and_each_at_its_own_time() {
        let [one, two] = heard(1);
        for heard in [&one, &two] {
            let names: Vec<&str> = heard.iter().map(|(name, _)| name.as_str()).collect();
            let expected: Vec<String> = (0..10).map(|number| format!("map-{number}")).collect();
            assert_eq!(names, expected);
            for (number, (name, at)) in (1_u128..).zip(heard) {
                let late = at - number * 500;
                assert!(late <= LONGEST.as_millis(), "{name} is {late} ms late");
            }
            assert!(heard.iter().zip(1..).any(|((_, at), number)| at - number * 500 > 500), "{heard:?}");
        }
        assert_ne!(one, two);
        assert_eq!(heard(1), [one, two], "a seed decides it");
    }

    #[tokio::test(start_paused = true)]
    async fn delays_end_and_what_is_behind_comes_first() {
        let (server, maps) = server(2);
        let params = WatchParams::default();
        let mut watch = maps.watch(&params, "0").await.unwrap().boxed();
        server.delay_watches(LONGEST, Instant::now() + Duration::from_millis(100));
        maps.create(&Default::default(), &map(0)).await.unwrap();
        sleep(Duration::from_millis(100)).await;
        maps.create(&Default::default(), &map(1)).await.unwrap();
        for number in 0..2 {
            let event = watch.next().await.unwrap().unwrap();
            let WatchEvent::Added(added) = event else { panic!("{event:?}") };
            assert_eq!(added.name_any(), format!("map-{number}"));
        }
        let begun = Instant::now();
        maps.create(&Default::default(), &map(2)).await.unwrap();
        watch.next().await.unwrap().unwrap();
        assert_eq!(begun.elapsed(), Duration::ZERO);
    }

    #[tokio::test(start_paused = true)]
    async fn a_list_that_may_be_old_is_from_some_changes_ago() {
        let (server, maps) = server(3);
        for number in 0..40 {
            maps.create(&Default::default(), &map(number)).await.unwrap();
        }
        let any = ListParams::default().at("0").matching(kube::api::VersionMatch::NotOlderThan);
        assert_eq!(maps.list(&any).await.unwrap().items.len(), 40);
        server.delay_watches(LONGEST, Instant::now() + Duration::from_secs(10));
        let mut counts = Vec::new();
        for number in 40..60 {
            counts.push(number - maps.list(&any).await.unwrap().items.len());
            maps.create(&Default::default(), &map(number as u64)).await.unwrap();
        }
        assert!(
            counts.iter().all(|behind| *behind < 16) && counts.iter().any(|behind| *behind > 0),
            "{counts:?}"
        );
        sleep(Duration::from_secs(10)).await;
        assert_eq!(maps.list(&any).await.unwrap().items.len(), 60);
    }
}
