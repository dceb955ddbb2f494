//! Who is told to follow whom, and who to lead.

use std::{collections::BTreeMap, net::Ipv4Addr};

use operlet_sim::models::redis::Order;

use super::{State, epoch, text};
use crate::server::Server;

/// The reigns so far.
#[derive(Debug, Default)]
pub(super) struct Reigns {
    /// How many of a process's orders were looked at, by run id.
    seen: BTreeMap<String, usize>,
    /// Who was promoted, by the epoch of the dead address that it was at.
    promoted: BTreeMap<u64, String>,
}

/// The epoch of the dead address that pods boot with.
const BOOT: u64 = 1;

impl State {
    /// Looks at what servers were told since the last time.
    pub(super) fn look_at_orders(&mut self, servers: &BTreeMap<String, Server>) {
        for (pod, server) in servers {
            let (run_id, orders) = {
                let redis = server.redis();
                let seen = self.reigns.seen.get(redis.run_id()).copied().unwrap_or_default();
                if redis.orders().len() == seen {
                    continue;
                }
                (redis.run_id().to_owned(), redis.orders().iter().skip(seen).cloned().collect::<Vec<_>>())
            };
            *self.reigns.seen.entry(run_id.clone()).or_default() += orders.len();
            for order in orders {
                if self.disruption.is_paused() {
                    self.breaks(format!("I12: {pod} was told {order:?} while it is paused"));
                }
                match &order.to {
                    None => self.look_at_promotion(servers, pod, &run_id, &order),
                    Some(host) if dead(host).is_none() => self.look_at_following(servers, pod, host, &order),
                    Some(_) => {}
                }
            }
        }
    }

    /// I3 and I7.
    fn look_at_promotion(
        &mut self,
        servers: &BTreeMap<String, Server>,
        pod: &str,
        run_id: &str,
        order: &Order,
    ) {
        let Some(at) = order.from.as_deref().and_then(dead) else {
            self.breaks(format!("I3: {pod} was promoted while it followed {:?}", order.from));
            return;
        };
        let at = if at == BOOT { epoch(&self.status) } else { at };
        let first = self.reigns.promoted.entry(at).or_insert_with(|| run_id.to_owned()).clone();
        if first != run_id {
            self.breaks(format!("I3: {pod} and another one were promoted in epoch {at}"));
        }
        let current = text(&self.status, "/primary/replid").to_owned();
        let has_current = |server: &Server| server.runs() && server.redis().history().0 == current;
        let is_restart = text(&self.status, "/primary/pod") == pod && !servers.values().any(has_current);
        let may_lose = self.accepts_loss || self.promises_nothing;
        // It was promoted before, maybe, by a host that crashed before that was on record.
        let goes_on = order.id == current || order.before.as_ref() == Some(&current);
        if !current.is_empty() && !goes_on && !is_restart && !may_lose {
            self.breaks(format!("I7: {pod} was promoted with the id {}, and {current} is current", order.id));
        }
    }

    /// I5.
    fn look_at_following(
        &mut self,
        servers: &BTreeMap<String, Server>,
        pod: &str,
        host: &str,
        order: &Order,
    ) {
        let primary = text(&self.status, "/primary/pod");
        let run_id = text(&self.status, "/primary/runID");
        let is_primary = servers
            .get(primary)
            .is_some_and(|server| server.address().to_string() == host && server.redis().run_id() == run_id);
        if order.keys > 0 && !is_primary {
            self.breaks(format!(
                "I5: {pod} has data and was told to follow {host}, and {primary} is primary"
            ));
        }
    }
}

/// The epoch whose dead address this is.
fn dead(host: &str) -> Option<u64> {
    match host.parse::<Ipv4Addr>().ok()?.octets() {
        [127, high, middle, low] => Some(u64::from(u32::from_be_bytes([0, high, middle, low]))),
        _ => None,
    }
}
