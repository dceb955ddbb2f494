//! The protocol's record as the status holds it, there and back.

use std::time::{Duration, UNIX_EPOCH};

use operlet_sdk::Failure;

use crate::{
    names::Names,
    protocol::record::{self, Cause, Followers, Millis, Ordinal, Phase, Record, ReplId, Uid},
    status::{self, RedisStatus},
    talk::users::{digits, hex, run_id},
};

/// What cannot be read is a failure, never an empty record: a primary could be chosen
/// by what is not known.
pub(crate) fn read(status: &RedisStatus, names: &Names<'_>) -> Result<Record, Failure> {
    if status.epoch.is_none() {
        // One that was made before there was a record: its primary is a name alone.
        return Ok(Record::default());
    }
    let reader = Reader { names };
    Ok(Record {
        epoch: status.epoch.unwrap_or_default(),
        primary: status.primary.as_ref().map(|primary| reader.primary(primary)).transpose()?,
        followers: reader.followers("status.followers", &status.followers)?,
        former: reader.followers("status.formerFollowers", &status.former_followers)?,
        effective: status.effective.map(effective).unwrap_or_default(),
        proven: status.proven.unwrap_or_default(),
        failover: status.failover.as_ref().map(|failover| reader.failover(failover)).transpose()?,
        hibernated: status.hibernated.unwrap_or_default(),
        switched: status.switchover.as_ref().map(|switchover| request(&switchover.request_id)),
        failed: status.failed_switchovers.as_ref().map(failed).transpose()?,
        lossy: status.lossy,
        vouched: status
            .vouched
            .iter()
            .map(|text| uid(text).ok_or_else(|| unreadable("status.vouched", text)))
            .collect::<Result<_, _>>()?,
    })
}

/// Puts the record into the status. `asked` is the request in the spec, `before` the
/// status as it was.
pub(crate) fn write(
    record: &Record,
    names: &Names<'_>,
    asked: Option<&str>,
    before: &RedisStatus,
    status: &mut RedisStatus,
) {
    let writer = Writer { names };
    status.epoch = (record.epoch > 0).then_some(record.epoch);
    status.primary = record.primary.as_ref().map(|primary| writer.primary(primary));
    status.followers = writer.followers(&record.followers);
    status.former_followers = writer.followers(&record.former);
    status.effective = (record.epoch > 0).then_some(status::Effective {
        min_replicas_to_write: record.effective.min_replicas,
        max_lag_seconds: record.effective.max_lag_s,
    });
    status.proven = (record.epoch > 0).then_some(record.proven);
    status.failover = record.failover.as_ref().map(|failover| writer.failover(failover));
    status.hibernated = record.hibernated.then_some(true);
    let under_way = before.failover.as_ref().and_then(|failover| failover.request.clone());
    let dealt_with = before.switchover.as_ref().map(|switchover| switchover.request_id.clone());
    let known: Vec<String> =
        asked.map(str::to_owned).into_iter().chain(under_way).chain(dealt_with).collect();
    let named = |wanted: Option<u64>| known.iter().find(|known| Some(request(known)) == wanted).cloned();
    status.switchover = named(record.switched).map(|request_id| status::Switchover { request_id });
    if let Some(failover) = &mut status.failover {
        failover.request = named(record.failover.as_ref().and_then(|failover| failover.request));
    }
    status.failed_switchovers = record
        .failed
        .map(|failed| status::FailedSwitchovers { at: timestamp(failed.at), times: failed.times });
    status.lossy = record.lossy;
    status.vouched = record.vouched.iter().map(uuid).collect();
}

/// What the protocol tells one request from another by.
pub(crate) fn request(id: &str) -> u64 {
    crate::hash::fnv(id.bytes())
}

/// The word for a phase.
pub(crate) fn phase(phase: Phase) -> &'static str {
    name_of(&PHASES, &phase)
}

/// The word for a cause.
pub(crate) fn cause(cause: Cause) -> &'static str {
    name_of(&CAUSES, &cause)
}

struct Reader<'a> {
    names: &'a Names<'a>,
}

impl Reader<'_> {
    fn primary(&self, primary: &status::Primary) -> Result<record::Primary, Failure> {
        Ok(record::Primary {
            who: self.incarnation("status.primary", &primary.who)?,
            replid: replid("status.primary.replid", &primary.replid)?,
            began: offset("status.primary.began", primary.began)?,
            carried: primary.carried,
            dead: moment("status.primary.dead", primary.dead.as_deref())?,
        })
    }

    fn followers(&self, field: &str, followers: &[status::Follower]) -> Result<Followers, Failure> {
        let read = |follower: &status::Follower| {
            let known = record::Follower {
                dead: moment(field, follower.dead.as_deref())?,
                told: moment(field, follower.told.as_deref())?,
            };
            Ok((self.incarnation(field, &follower.who)?, known))
        };
        followers.iter().map(read).collect()
    }

    fn failover(&self, failover: &status::Failover) -> Result<record::Failover, Failure> {
        let from = failover.from.as_ref().map(|from| self.incarnation("status.failover.from", from));
        let to = failover.to.as_ref().map(|to| self.target(to));
        let claim = failover.claim.as_ref().map(|pod| self.ordinal("status.failover.claim", pod));
        let started = moment("status.failover.startedAt", Some(&failover.started_at))?;
        Ok(record::Failover {
            id: failover.id,
            request: failover.request.as_deref().map(request),
            phase: word("status.failover.phase", &PHASES, &failover.phase)?,
            cause: word("status.failover.cause", &CAUSES, &failover.cause)?,
            from: from.transpose()?,
            to: to.transpose()?,
            doubtful: failover.doubtful.iter().map(|doubt| self.doubt(doubt)).collect::<Result<_, _>>()?,
            claim: claim.transpose()?,
            started_at: started.unwrap_or_default(),
        })
    }

    fn doubt(&self, doubt: &status::Doubt) -> Result<(record::Incarnation, record::Doubt), Failure> {
        let field = "status.failover.doubtful";
        let dead = moment(field, doubt.dead.as_deref())?;
        let known = record::Doubt { dead, replid: replid(field, &doubt.replid)? };
        Ok((self.incarnation(field, &doubt.who)?, known))
    }

    fn target(&self, target: &status::Target) -> Result<record::Target, Failure> {
        Ok(record::Target {
            who: self.incarnation("status.failover.to", &target.who)?,
            replid: replid("status.failover.to.replid", &target.replid)?,
            offset: offset("status.failover.to.offset", target.offset)?,
        })
    }

    fn incarnation(&self, field: &str, who: &status::Incarnation) -> Result<record::Incarnation, Failure> {
        Ok(record::Incarnation {
            pod: self.ordinal(field, &who.pod)?,
            uid: uid(&who.uid).ok_or_else(|| unreadable(field, &who.uid))?,
            run: run_id(&who.run_id).ok_or_else(|| unreadable(field, &who.run_id))?,
        })
    }

    fn ordinal(&self, field: &str, pod: &str) -> Result<Ordinal, Failure> {
        self.names.ordinal_of_pod(pod).ok_or_else(|| unreadable(field, pod))
    }
}

struct Writer<'a> {
    names: &'a Names<'a>,
}

impl Writer<'_> {
    fn primary(&self, primary: &record::Primary) -> status::Primary {
        status::Primary {
            who: self.incarnation(&primary.who),
            replid: hex(&primary.replid.0),
            began: i64::try_from(primary.began).unwrap_or(i64::MAX),
            carried: primary.carried,
            dead: primary.dead.map(timestamp),
        }
    }

    fn followers(&self, followers: &Followers) -> Vec<status::Follower> {
        let written = |(who, follower): (&record::Incarnation, &record::Follower)| status::Follower {
            who: self.incarnation(who),
            dead: follower.dead.map(timestamp),
            told: follower.told.map(timestamp),
        };
        followers.iter().map(written).collect()
    }

    fn failover(&self, failover: &record::Failover) -> status::Failover {
        status::Failover {
            id: failover.id,
            request: None,
            phase: phase(failover.phase).to_owned(),
            cause: cause(failover.cause).to_owned(),
            from: failover.from.as_ref().map(|from| self.incarnation(from)),
            to: failover.to.as_ref().map(|to| status::Target {
                who: self.incarnation(&to.who),
                replid: hex(&to.replid.0),
                offset: i64::try_from(to.offset).unwrap_or(i64::MAX),
            }),
            doubtful: failover
                .doubtful
                .iter()
                .map(|(who, doubt)| status::Doubt {
                    who: self.incarnation(who),
                    replid: hex(&doubt.replid.0),
                    dead: doubt.dead.map(timestamp),
                })
                .collect(),
            claim: failover.claim.map(|claim| self.names.pod(claim)),
            started_at: timestamp(failover.started_at),
        }
    }

    fn incarnation(&self, who: &record::Incarnation) -> status::Incarnation {
        status::Incarnation { pod: self.names.pod(who.pod), uid: uuid(&who.uid), run_id: hex(&who.run.0) }
    }
}

const PHASES: [(&str, Phase); 5] = [
    ("HandOver", Phase::HandOver),
    ("Fence", Phase::Fence),
    ("Promote", Phase::Promote),
    ("Open", Phase::Open),
    ("Kick", Phase::Kick),
];

const CAUSES: [(&str, Cause); 4] = [
    ("Bootstrap", Cause::Bootstrap),
    ("Lost", Cause::Lost),
    ("Planned", Cause::Planned),
    ("Hibernate", Cause::Hibernate),
];

fn word<T: Copy>(field: &str, words: &[(&str, T)], text: &str) -> Result<T, Failure> {
    let found = words.iter().find(|(word, _)| *word == text);
    found.map(|(_, meaning)| *meaning).ok_or_else(|| unreadable(field, text))
}

fn name_of<T: PartialEq>(words: &[(&'static str, T)], meaning: &T) -> &'static str {
    words.iter().find(|(_, one)| one == meaning).map_or("", |(word, _)| word)
}

fn effective(effective: status::Effective) -> record::Effective {
    record::Effective { min_replicas: effective.min_replicas_to_write, max_lag_s: effective.max_lag_seconds }
}

fn failed(failed: &status::FailedSwitchovers) -> Result<record::Failed, Failure> {
    let at = moment("status.failedSwitchovers.at", Some(&failed.at))?;
    Ok(record::Failed { at: at.unwrap_or_default(), times: failed.times })
}

fn replid(field: &str, text: &str) -> Result<ReplId, Failure> {
    digits(text).map(ReplId).ok_or_else(|| unreadable(field, text))
}

fn offset(field: &str, offset: i64) -> Result<u64, Failure> {
    u64::try_from(offset).map_err(|_| unreadable(field, &offset.to_string()))
}

fn moment(field: &str, text: Option<&str>) -> Result<Option<Millis>, Failure> {
    let Some(text) = text else { return Ok(None) };
    let moment =
        humantime::parse_rfc3339(text).ok().and_then(|moment| moment.duration_since(UNIX_EPOCH).ok());
    let millis = moment.and_then(|since| Millis::try_from(since.as_millis()).ok());
    millis.map(Some).ok_or_else(|| unreadable(field, text))
}

/// As Kubernetes writes moments, with milliseconds.
pub(crate) fn timestamp(moment: Millis) -> String {
    // Beyond the year 9999 there is no text for it.
    let moment = UNIX_EPOCH + Duration::from_millis(moment.min(YEAR_9999_MS));
    humantime::format_rfc3339_millis(moment).to_string()
}

/// The last day that RFC 3339 has a text for.
const YEAR_9999_MS: Millis = 253_402_214_400_000;

fn unreadable(field: &str, text: &str) -> Failure {
    Failure::invalid(format!(
        "{field}: {text:?} cannot be read, and no primary is chosen by what is not known. Restore the status, or remove \
         what is on record in it if the data on the volumes should decide"
    ))
}

/// A UUID, as every uid is.
pub(crate) fn uid(text: &str) -> Option<Uid> {
    let mut bytes = [0; 16];
    let mut digits = text.bytes().filter(|byte| *byte != b'-');
    for byte in &mut bytes {
        let pair = [digits.next()?, digits.next()?];
        let pair = std::str::from_utf8(&pair).ok()?;
        *byte = u8::from_str_radix(pair, 16).ok()?;
    }
    (digits.next().is_none() && uuid(&Uid(bytes)) == text).then_some(Uid(bytes))
}

/// As Kubernetes writes it.
pub(crate) fn uuid(uid: &Uid) -> String {
    let mut text = hex(&uid.0);
    for at in [20, 16, 12, 8] {
        text.insert(at, '-');
    }
    text
}

#[cfg(test)]
mod tests {
    use proptest::{
        collection::{btree_map, btree_set},
        option,
        prelude::*,
        sample::select,
    };

    use super::*;
    use crate::protocol::record::{
        Effective, Failed, Failover, Follower, Incarnation, Primary, RunId, Target,
    };

    /// The last moment that a status has a text for.
    const LAST_MS: Millis = YEAR_9999_MS;

    fn incarnations() -> impl Strategy<Value = Incarnation> {
        (0..9_u8, any::<[u8; 16]>(), any::<[u8; 20]>()).prop_map(|(pod, uid, run)| Incarnation {
            pod,
            uid: Uid(uid),
            run: RunId(run),
        })
    }

    fn moments() -> impl Strategy<Value = Option<Millis>> {
        option::of(0..=LAST_MS)
    }

    fn followers() -> impl Strategy<Value = Followers> {
        let follower = (moments(), moments()).prop_map(|(dead, told)| Follower { dead, told });
        btree_map(incarnations(), follower, 0..9)
    }

    fn replids() -> impl Strategy<Value = ReplId> {
        any::<[u8; 20]>().prop_map(ReplId)
    }

    fn offsets() -> impl Strategy<Value = u64> {
        0..=i64::MAX.unsigned_abs()
    }

    fn primaries() -> impl Strategy<Value = Primary> {
        (incarnations(), replids(), offsets(), any::<bool>(), moments())
            .prop_map(|(who, replid, began, carried, dead)| Primary { who, replid, began, carried, dead })
    }

    fn changes() -> impl Strategy<Value = Failover> {
        let target = (incarnations(), replids(), offsets());
        let target = target.prop_map(|(who, replid, offset)| Target { who, replid, offset });
        let phase = select(PHASES.map(|(_, phase)| phase).to_vec());
        let cause = select(CAUSES.map(|(_, cause)| cause).to_vec());
        let ends = (option::of(incarnations()), option::of(target));
        (phase, cause, ends, followers(), option::of(0..9_u8), 0..=LAST_MS, (any::<u32>(), requests()))
            .prop_map(|(phase, cause, (from, to), doubtful, claim, started_at, (id, request))| Failover {
                id,
                request: request.as_deref().map(self::request),
                phase,
                cause,
                from,
                to,
                doubtful: doubtful
                    .into_iter()
                    .map(|(who, it): (_, Follower)| {
                        (who, record::Doubt { dead: it.dead, replid: ReplId([7; 20]) })
                    })
                    .collect(),
                claim,
                started_at,
            })
    }

    /// Few, so that one is often the other.
    fn requests() -> impl Strategy<Value = Option<String>> {
        option::of(select(REQUESTS.map(str::to_owned).to_vec()))
    }

    const REQUESTS: [&str; 3] = ["one", "two", "2026-11-23 #3"];

    fn records() -> impl Strategy<Value = Record> {
        let effective = (any::<u8>(), any::<u32>());
        let effective = effective.prop_map(|(min_replicas, max_lag_s)| Effective { min_replicas, max_lag_s });
        let people = (option::of(primaries()), followers(), followers());
        let failed = option::of((0..=LAST_MS, any::<u32>()).prop_map(|(at, times)| Failed { at, times }));
        let vouched = btree_set(any::<[u8; 16]>().prop_map(Uid), 0..4);
        let rest =
            (effective, any::<u8>(), any::<bool>(), requests(), failed, option::of(any::<u32>()), vouched);
        (1..u32::MAX, people, option::of(changes()), rest).prop_map(
            |(epoch, (primary, followers, former), failover, rest)| {
                let (effective, proven, hibernated, asked, failed, lossy, vouched) = rest;
                let switched = asked.as_deref().map(request);
                Record {
                    epoch,
                    primary,
                    followers,
                    former,
                    effective,
                    proven,
                    failover,
                    hibernated,
                    switched,
                    failed,
                    lossy,
                    vouched,
                }
            },
        )
    }

    fn through_json(status: &RedisStatus) -> RedisStatus {
        serde_json::from_str(&serde_json::to_string(status).unwrap()).unwrap()
    }

    /// A status that knows all requests but the one in the spec.
    fn knowing(under_way: &str, dealt_with: &str) -> RedisStatus {
        let failover = Writer { names: &Names::new("sample", "shop") }.failover(&Failover {
            id: 0,
            request: None,
            phase: Phase::Fence,
            cause: Cause::Lost,
            from: None,
            to: None,
            doubtful: record::Doubtful::new(),
            claim: None,
            started_at: 0,
        });
        RedisStatus {
            failover: Some(status::Failover { request: Some(under_way.to_owned()), ..failover }),
            switchover: Some(status::Switchover { request_id: dealt_with.to_owned() }),
            ..RedisStatus::default()
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(512) })]

        #[test]
        fn what_is_on_record_is_read_as_it_was_written(record in records()) {
            let names = Names::new("sample", "shop");
            let [one, two, three] = REQUESTS;
            let mut status = RedisStatus::default();
            write(&record, &names, Some(one), &knowing(two, three), &mut status);
            let status = through_json(&status);
            prop_assert_eq!(read(&status, &names).unwrap(), record.clone());
            // Nor does it take the request in the spec, which may change, to know it again.
            let mut again = RedisStatus::default();
            write(&record, &names, Some("another"), &status, &mut again);
            prop_assert_eq!(read(&through_json(&again), &names).unwrap(), record);
        }
    }

    #[test]
    fn before_the_first_epoch_nothing_is_on_record() {
        let names = Names::new("sample", "shop");
        let mut status = RedisStatus::default();
        write(&Record::default(), &names, None, &RedisStatus::default(), &mut status);
        assert_eq!(serde_json::to_string(&status).unwrap(), "{}");
        assert_eq!(read(&status, &names).unwrap(), Record::default());
        // As it was before there was a record.
        let old = r#"{"stateVersion": 1, "primary": {"pod": "sample-0"}, "phase": "Running"}"#;
        let old: RedisStatus = serde_json::from_str(old).unwrap();
        assert_eq!(read(&old, &names).unwrap(), Record::default());
    }

    #[test]
    fn a_uid_is_a_uuid() {
        let text = "3e4c2a0f-9b7d-4c55-8d0a-0123456789ab";
        assert_eq!(uuid(&uid(text).unwrap()), text);
        for other in
            ["", "pod-0", "3e4c2a0f9b7d4c558d0a0123456789ab", &text.to_uppercase(), &format!("{text}0")]
        {
            assert_eq!(uid(other), None, "{other}");
        }
    }

    #[test]
    fn moments_are_as_kubernetes_writes_them() {
        assert_eq!(timestamp(1_763_864_000_123), "2025-11-23T02:13:20.123Z");
        assert_eq!(moment("x", Some("2025-11-23T02:13:20.123Z")).unwrap(), Some(1_763_864_000_123));
        assert!(moment("x", Some("yesterday")).unwrap_err().message().starts_with("x: \"yesterday\""));
        assert_eq!(timestamp(Millis::MAX), "9999-12-31T00:00:00.000Z");
    }
}
