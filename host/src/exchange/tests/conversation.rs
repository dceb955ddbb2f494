//! The steps on one connection, and each way that they may end.

use std::time::Duration;

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    time::{Instant, sleep},
};

use super::{
    LONG, SHORT_MS, bounded, exchange, exchanges, expecting, later, line, partial, plain, replies, run,
    server::{APART, Server},
    step,
};
use crate::model::{Exchange, ExchangeEnd, Step, Until};

#[tokio::test]
async fn a_reply_that_comes_in_pieces_is_one() {
    let server = Server::start(|mut peer| async move {
        peer.hear("PING\r\n").await?;
        // The delimiter itself is torn apart.
        peer.say_slowly(&["+PO", "NG\r", "\n"]).await?;
        peer.linger().await
    })
    .await;
    assert_eq!(run(&exchange(&[step("PING\r\n", line())]), server.address).await, replies(&["+PONG\r\n"]));
}

#[tokio::test]
async fn steps_follow_each_other_on_one_connection() {
    let server = Server::start(|mut peer| async move {
        peer.say("hello\r\n").await?;
        while let Some(line) = peer.line().await? {
            peer.say(&format!("you said {line}\r\n")).await?;
        }
        Ok(())
    })
    .await;
    let steps = [step("", line()), step("a\r\n", line()), expecting("b\r\n", line(), &["said", "b"])];
    let end = run(&exchange(&steps), server.address).await;
    assert_eq!(end, replies(&["hello\r\n", "you said a\r\n", "you said b\r\n"]));
    assert_eq!(server.accepted(), 1);
}

#[tokio::test]
async fn what_comes_beyond_a_reply_belongs_to_the_next_one() {
    let server = Server::start(|mut peer| async move {
        peer.hear("first\r\n").await?;
        peer.say("1\r\n2222").await?;
        peer.hear("second").await?;
        peer.say("3\r\nbeyond all").await?;
        peer.linger().await
    })
    .await;
    let steps = [step("first\r\n", line()), step("second", Until::Length(3)), step("", line())];
    assert_eq!(run(&exchange(&steps), server.address).await, replies(&["1\r\n", "222", "23\r\n"]));
}

#[tokio::test]
async fn a_reply_may_end_with_the_connection() {
    let server = Server::start(|mut peer| async move {
        peer.hear("all\r\n").await?;
        peer.say_slowly(&["one\r\n", "two\r\n"]).await
    })
    .await;
    assert_eq!(
        run(&exchange(&[step("all\r\n", Until::Eof)]), server.address).await,
        replies(&["one\r\ntwo\r\n"])
    );
}

#[tokio::test]
async fn a_reply_may_be_empty_at_the_end_of_the_connection() {
    let server = Server::start(|mut peer| async move { peer.hear("bye").await }).await;
    assert_eq!(run(&exchange(&[step("bye", Until::Eof)]), server.address).await, replies(&[""]));
}

#[tokio::test]
async fn a_reply_may_end_after_so_many_bytes() {
    let server = Server::start(|mut peer| async move {
        peer.hear("x").await?;
        peer.say_slowly(&["ab", "cde"]).await?;
        peer.linger().await
    })
    .await;
    let steps = [step("x", Until::Length(4)), step("", Until::Length(1))];
    assert_eq!(run(&exchange(&steps), server.address).await, replies(&["abcd", "e"]));
}

#[tokio::test]
async fn a_step_with_the_length_0_waits_for_nothing() {
    let server = Server::start(|mut peer| async move {
        peer.linger().await // It never says anything.
    })
    .await;
    let steps = [step("a", Until::Length(0)), step("b", Until::Length(0))];
    assert_eq!(run(&exchange(&steps), server.address).await, replies(&["", ""]));
    while server.received() != "ab" {
        sleep(APART).await;
    }
}

#[tokio::test]
async fn nothing_more_is_sent_after_a_reply_that_lacks_what_is_expected() {
    let server = Server::start(|mut peer| async move {
        peer.say("hello\r\n").await?;
        peer.hear("ROLE\r\n").await?;
        peer.say("replica of another\r\nand more").await?;
        peer.linger().await
    })
    .await;
    let steps = [
        step("", line()),
        expecting("ROLE\r\n", line(), &["replica", "primary"]),
        step("SHUTDOWN\r\n", line()),
    ];
    let end = run(&exchange(&steps), server.address).await;
    assert_eq!(end, ExchangeEnd::Unexpected(partial(&["hello\r\n", "replica of another\r\n"], "")));
    sleep(APART * 5).await;
    assert_eq!(server.received(), "ROLE\r\n");
}

#[tokio::test]
async fn a_reply_that_does_not_come_is_a_timeout_with_what_came() {
    let server = Server::start(|mut peer| async move {
        peer.hear("ab").await?;
        peer.say("one\r\ntw").await?;
        peer.linger().await
    })
    .await;
    let steps = [step("ab", line()), step("cd", line())];
    let begin = Instant::now();
    let end = run(&bounded(&steps, SHORT_MS), server.address).await;
    assert_eq!(end, ExchangeEnd::Timeout(partial(&["one\r\n"], "tw")));
    assert!(begin.elapsed() >= Duration::from_millis(u64::from(SHORT_MS)), "{:?}", begin.elapsed());
    assert!(begin.elapsed() < LONG / 2, "{:?}", begin.elapsed());
}

#[tokio::test]
async fn the_deadline_bounds_an_exchange_that_has_more_time_of_its_own() {
    let server = Server::start(|mut peer| async move { peer.linger().await }).await;
    let deadline = Instant::now() + Duration::from_millis(u64::from(SHORT_MS));
    let end = exchanges().run(&exchange(&[step("a", line())]), &plain(server.address), deadline).await;
    assert_eq!(end, ExchangeEnd::Timeout(partial(&[], "")));
    assert!(deadline.elapsed() < LONG / 2, "{:?}", deadline.elapsed());
}

#[tokio::test]
async fn time_that_trickles_away_with_the_replies_is_bounded_too() {
    let server = Server::start(|mut peer| async move {
        loop {
            peer.say_slowly(&["x"]).await?;
        }
    })
    .await;
    let end = run(&bounded(&[step("", line())], SHORT_MS), server.address).await;
    let ExchangeEnd::Timeout(partial) = end else { panic!("{end:?}") };
    assert!(partial.rest.starts_with(b"x"));
}

#[tokio::test]
async fn a_connection_that_closes_in_the_middle_is_a_reset_with_what_came() {
    let server = Server::start(|mut peer| async move {
        peer.hear("a").await?;
        peer.say("one\r\ntw").await
    })
    .await;
    let steps = [step("a", line()), step("", line())];
    assert_eq!(run(&exchange(&steps), server.address).await, ExchangeEnd::Reset(partial(&["one\r\n"], "tw")));
}

#[tokio::test]
async fn a_connection_that_is_reset_is_a_reset_with_what_came() {
    let server = Server::start(|mut peer| async move {
        peer.hear("a").await?;
        peer.say_slowly(&["one\r\ntw"]).await?;
        peer.stream.set_zero_linger()
    })
    .await;
    for until in [line(), Until::Eof] {
        let steps = [step("a", line()), step("", until)];
        assert_eq!(
            run(&exchange(&steps), server.address).await,
            ExchangeEnd::Reset(partial(&["one\r\n"], "tw"))
        );
    }
}

/// Runs one step against a peer that says `said`.
async fn with_max(max_bytes: u32, said: &'static str, steps: &[Step]) -> ExchangeEnd {
    let server = Server::start(move |mut peer| async move {
        peer.say(said).await?;
        peer.linger().await
    })
    .await;
    run(&Exchange { max_bytes, ..exchange(steps) }, server.address).await
}

#[tokio::test]
async fn replies_may_have_as_many_bytes_together_as_allowed_and_no_more() {
    let steps = [step("", line()), step("", line())];
    assert_eq!(with_max(8, "ab\r\ncd\r\n", &steps).await, replies(&["ab\r\n", "cd\r\n"]));
    let too_large = ExchangeEnd::TooLarge(partial(&["ab\r\n"], "cd\r"));
    assert_eq!(with_max(7, "ab\r\ncd\r\n", &steps).await, too_large);
    assert_eq!(with_max(7, "ab\r\ncd\r\nef", &steps).await, too_large);
    assert_eq!(with_max(3, "ab\r\ncd\r\n", &steps).await, ExchangeEnd::TooLarge(partial(&[], "ab\r")));
    // What nobody asked for does not count.
    assert_eq!(with_max(4, "ab\r\ncdefghi", &steps[..1]).await, replies(&["ab\r\n"]));
    assert_eq!(
        with_max(3, "abcd", &[step("", Until::Length(4))]).await,
        ExchangeEnd::TooLarge(partial(&[], "abc"))
    );
    assert_eq!(with_max(0, "a", &[step("", Until::Length(0))]).await, replies(&[""]));
    assert_eq!(with_max(0, "a", &[step("", line())]).await, ExchangeEnd::TooLarge(partial(&[], "")));
}

#[tokio::test]
async fn a_port_that_nobody_listens_on_refuses() {
    let server = Server::start(|mut peer| async move { peer.linger().await }).await;
    let address = server.address;
    server.stop().await;
    assert_eq!(run(&exchange(&[step("a", line())]), address).await, ExchangeEnd::Refused);
}

#[tokio::test]
async fn a_peer_that_answers_before_it_has_heard_all_is_not_waited_for_in_vain() {
    const SIZE: usize = 32 * 1024 * 1024;
    // More than the sockets' buffers hold, and it reads only what it has answered.
    let server = Server::start(|mut peer| async move {
        let (mut read, mut write) = peer.stream.split();
        let mut buffer = vec![0; 64 * 1024];
        let mut left = SIZE;
        while left > 0 {
            let count = read.read(&mut buffer).await?;
            write.write_all(&buffer[..count]).await?;
            left -= count;
        }
        Ok(())
    })
    .await;
    let request = "x".repeat(SIZE);
    let steps = [step(&request, Until::Length(u32::try_from(SIZE).unwrap()))];
    let exchange = Exchange { max_bytes: u32::MAX, ..exchange(&steps) };
    assert_eq!(run(&exchange, server.address).await, replies(&[&request]));
}

#[tokio::test]
async fn an_exchange_that_is_given_up_closes_its_connection() {
    let (closed, mut seen) = tokio::sync::mpsc::unbounded_channel();
    let server = Server::start(move |mut peer| {
        let closed = closed.clone();
        async move {
            peer.hear("a").await?;
            let _ = peer.linger().await;
            closed.send(()).unwrap();
            Ok(())
        }
    })
    .await;
    let (exchanges, exchange) = (exchanges(), exchange(&[step("a", line())]));
    let target = plain(server.address);
    let given_up = tokio::time::timeout(APART * 5, exchanges.run(&exchange, &target, later())).await;
    assert!(given_up.is_err());
    tokio::time::timeout(LONG, seen.recv()).await.unwrap().unwrap();
}
