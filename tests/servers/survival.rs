//! What becomes of the data when servers die.

use std::{
    thread::sleep,
    time::{Duration, Instant},
};

use operlet_redis::{protocol::step::Report, talk::command::Commands};

use crate::{image::IMAGES, operator::Redis};

const SOON: Duration = Duration::from_secs(20);

/// A Redis of three, settled.
fn three(image: (&'static str, &'static str), arguments: &[&str]) -> Redis {
    let mut redis = Redis::new(image, 2, arguments);
    redis.settle(SOON);
    assert_eq!((redis.primary(), redis.service, redis.record.epoch), (0, Some(0), 2));
    assert_eq!(redis.record.followers.len(), 2);
    assert!(redis.record.failover.is_none(), "{:#?}", redis.record);
    redis
}

/// Writes, and waits until a replica has it: nothing else is promised to be kept.
#[track_caller]
fn write(redis: &Redis, key: &str) {
    let words = Commands::new().then(["SET", key, "kept"]).then(["WAIT", "1", "5000"]);
    let reply = redis.commands(redis.primary(), words, 2);
    assert!(["+OK\r\n:1", "+OK\r\n:2"].contains(&&*reply), "{reply}");
}

/// Waits until everybody has it: who has just been told to follow may still be copying.
#[track_caller]
fn holds(redis: &Redis, key: &str) {
    let end = Instant::now() + SOON;
    for ordinal in 0..3 {
        while redis.servers[usize::from(ordinal)].is_running() {
            let has = redis.command(ordinal, &["GET", key]);
            if has == "$4\r\nkept" {
                break;
            }
            assert!(Instant::now() < end, "{ordinal} has {has} as {key}");
            sleep(Duration::from_millis(20));
        }
    }
}

#[test]
fn a_primary_that_dies_is_replaced_and_comes_back_as_a_replica() {
    for image in IMAGES {
        println!("{}", image.0);
        let mut redis = three(image, &["--appendonly", "no"]);
        write(&redis, "before");
        redis.reconcile();
        redis.kill(0);
        // Its container is started again, without the data that it never wrote down.
        redis.servers[0].run();
        redis.settle(SOON);
        assert_ne!(redis.primary(), 0);
        assert_eq!(redis.service, Some(redis.primary()));
        assert_eq!(redis.record.followers.len(), 2);
        write(&redis, "after");
        redis.settle(SOON);
        holds(&redis, "before");
        holds(&redis, "after");
    }
}

#[test]
fn an_emptied_primary_empties_nobody() {
    let mut redis = three(IMAGES[0], &["--appendonly", "yes"]);
    write(&redis, "precious");
    redis.reconcile();
    redis.kill(0);
    redis.servers[0].wipe();
    redis.servers[0].run();
    redis.settle(SOON);
    assert_ne!(redis.primary(), 0);
    holds(&redis, "precious");
}

#[test]
fn one_after_the_other_may_die() {
    let mut redis = three(IMAGES[1], &["--appendonly", "no"]);
    for round in 0..6 {
        let key = format!("round-{round}");
        write(&redis, &key);
        redis.settle(SOON);
        let primary = redis.primary();
        redis.kill(primary);
        redis.servers[usize::from(primary)].run();
        redis.settle(SOON);
        assert_ne!(redis.primary(), primary);
    }
    write(&redis, "last");
    redis.settle(SOON);
    for round in 0..6 {
        holds(&redis, &format!("round-{round}"));
    }
    assert_eq!(redis.record.epoch, 2 + 6);
}

#[test]
fn when_all_die_the_primarys_own_data_decides() {
    let mut redis = three(IMAGES[0], &["--appendonly", "yes", "--appendfsync", "always"]);
    write(&redis, "written-down");
    redis.settle(SOON);
    for ordinal in 0..3 {
        redis.kill(ordinal);
    }
    for server in &mut redis.servers {
        server.run();
    }
    redis.settle(SOON);
    assert_eq!(redis.primary(), 0);
    holds(&redis, "written-down");
}

#[test]
fn without_a_proof_a_silent_primary_is_not_replaced_before_it_has_fenced_itself() {
    let mut redis = three(IMAGES[0], &["--appendonly", "no"]);
    write(&redis, "before");
    redis.settle(SOON);
    redis.servers[0].signal(rustix::process::Signal::STOP);
    let mut waited = false;
    let begun = Instant::now();
    while redis.primary() == 0 {
        let settlement = redis.reconcile();
        waited |= matches!(settlement.report, Some(Report::Unfenced { .. }));
        sleep(Duration::from_millis(settlement.again_ms.unwrap_or(200)));
        assert!(begun.elapsed() < Duration::from_secs(40), "{:#?}", redis.record);
    }
    // maxLag and four seconds, and that long nobody else accepts a write.
    assert!(waited && begun.elapsed() >= Duration::from_secs(9), "{:?}", begun.elapsed());
    redis.servers[0].signal(rustix::process::Signal::CONT);
    redis.settle(SOON);
    assert_ne!(redis.primary(), 0);
    holds(&redis, "before");
    let answers = redis.command(0, &["SET", "late", "write"]);
    assert!(answers.starts_with("-READONLY"), "{answers}");
}
