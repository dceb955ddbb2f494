//! What changes something is sent at most once, however it ends.

use std::time::Duration;

use tokio::time::sleep;

use super::{
    SHORT_MS, bounded, line, run,
    server::{Peer, Server},
    step,
};
use crate::model::{Effect, Exchange};

/// Runs an act against a peer that does something when it has heard it, and
/// checks that it heard it once.
async fn check<F>(name: &str, then: impl Fn(Peer) -> F + Copy + Send + 'static)
where
    F: Future<Output = std::io::Result<()>> + Send + 'static,
{
    let server = Server::start(move |mut peer| async move {
        assert_eq!(peer.line().await?.as_deref(), Some("FAILOVER"));
        then(peer).await
    })
    .await;
    let steps = [step("FAILOVER\r\n", line()), step("RESET\r\n", line())];
    let act = Exchange { effect: Effect::Act, max_bytes: 16, ..bounded(&steps, SHORT_MS) };
    assert_eq!(run(&act, server.address).await.name(), name);
    // Longer than any haste to try again would last.
    sleep(Duration::from_millis(300)).await;
    assert_eq!(server.accepted(), 1, "{name}");
    assert_eq!(server.count("FAILOVER"), 1, "{name}");
    assert!(server.count("RESET") <= 1, "{name}");
}

#[tokio::test]
async fn an_act_is_never_sent_twice() {
    check("timeout", |mut peer| async move { peer.linger().await }).await;
    check("reset", |_| async { Ok(()) }).await;
    check("reset", |peer| async move { peer.stream.set_zero_linger() }).await;
    check("too-large", |mut peer| async move {
        peer.say("something longer than it may be").await?;
        peer.linger().await
    })
    .await;
    check("replies", |mut peer| async move {
        peer.say("+OK\r\n+OK\r\n").await?;
        peer.linger().await
    })
    .await;
}
