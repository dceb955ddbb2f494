//! What servers are told beside the protocol: settings that can change while they run,
//! the application's password and a renewed certificate. None of it touches who follows
//! whom, so it waits until no change of primary is under way.

use std::collections::BTreeMap;

use operlet_sdk::{Decision, Observation, Question, kinds};
use sha2::{Digest as _, Sha256};

use crate::{
    asked::{Kept, Processes},
    build::Instance,
    carried::Carried,
    growth::{self, Growth},
    hash::fnv,
    observed::{Observed, Secret},
    protocol::{
        facts::{Answer, Facts},
        record::{Millis, Ordinal},
    },
    talk::{command::Commands, look::Upkept, users::hex},
};

/// For how long an old password is still taken: applications read a mounted Secret a
/// minute late, and need some time to connect anew.
const OLD_PASSWORD_MS: Millis = 120_000;

/// For how long a renewed certificate may be on its way into the containers.
const CERTIFICATE_MS: Millis = 120_000;

/// When a server is looked at again that was told something, or did not answer to it.
const AGAIN_MS: Millis = 1000;

/// The Secrets that the resource names: `get` questions have these ids.
const AUTH: &str = "auth";
const TLS: &str = "tls";

/// What came of it.
#[derive(Debug, Default)]
pub(crate) struct Upkeep<'a> {
    /// Servers that refused something, with their words.
    pub(crate) refused: Vec<(Ordinal, String)>,
    /// Servers that do not run with the present settings.
    pub(crate) behind: Vec<Ordinal>,
    /// A Secret that is not there, or lacks what is needed.
    pub(crate) missing: Option<String>,
    /// What volumes may do that are smaller than the spec says.
    pub(crate) growth: Growth<'a>,
    /// When to look again.
    pub(crate) again_ms: Option<Millis>,
}

impl Upkeep<'_> {
    /// Whether servers that start now would not start with the settings: one that only
    /// cannot change while it runs is no reason.
    pub(crate) fn is_refused(&self) -> bool {
        self.refused.iter().any(|(_, words)| !words.contains("immutable"))
    }
}

/// What servers should have.
pub(crate) struct Wanted<'a> {
    instance: &'a Instance<'a>,
    /// The application's password.
    password: Result<Vec<u8>, String>,
    /// The certificate's hash.
    certificate: Option<Result<u64, String>>,
}

/// The questions for objects that are not the operlet's own.
pub(crate) fn questions(
    instance: &Instance<'_>,
    observed: &Observed<'_>,
    observation: &Observation,
) -> Vec<Question> {
    let spec = instance.spec;
    let auth = spec.auth.as_ref().map(|auth| (AUTH, auth.secret_ref.name.as_str()));
    let tls = spec.tls.as_ref().map(|tls| (TLS, tls.secret_name.as_str()));
    let unanswered = |(id, _): &(&str, &str)| !observation.answers.iter().any(|answer| answer.id == *id);
    let named = auth.into_iter().chain(tls).filter(unanswered);
    let secrets = named.map(|(id, name)| Question::get(id, &kinds::SECRET, name));
    secrets.chain(growth::questions(instance, observed, observation)).collect()
}

impl<'a> Wanted<'a> {
    /// From the Secrets as they are. One that cannot be read stops nothing else.
    pub(crate) fn read(
        instance: &'a Instance<'a>,
        observed: &Observed<'_>,
        observation: &Observation,
    ) -> Self {
        let spec = instance.spec;
        let own = observed.auth_secret.as_ref().and_then(|secret| secret.entry("password"));
        let password = match &spec.auth {
            None => own.ok_or_else(|| missing("password", instance.secret_name(), "spec.auth")),
            Some(auth) => {
                asked(observation, AUTH, &auth.secret_ref.name, "spec.auth.secretRef", &["password"])
                    .map(|entries| entries.into_iter().flatten().collect())
            }
        };
        let password = password.and_then(|password: Vec<u8>| {
            // As the start script reads it: one line.
            let line = password.split(|byte| *byte == b'\n').next().unwrap_or_default();
            let empty = || missing("password", instance.secret_name(), "spec.auth");
            if line.is_empty() { Err(empty()) } else { Ok(line.to_vec()) }
        });
        let certificate = spec.tls.as_ref().map(|tls| {
            let entries = ["tls.crt", "tls.key", "ca.crt"];
            let read = asked(observation, TLS, &tls.secret_name, "spec.tls.secretName", &entries);
            read.map(|entries| fnv(entries.into_iter().flatten()))
        });
        Self { instance, password, certificate }
    }

    /// The application's password, if its Secret is there.
    pub(crate) fn password(&self) -> Option<&[u8]> {
        self.password.as_deref().ok()
    }

    /// As servers tell passwords from one another.
    fn hashed(&self) -> Option<String> {
        Some(hex(&Sha256::digest(self.password()?)))
    }

    /// What is to be told next; none if nothing is, or it was tried in this reconcile.
    pub(crate) fn next(
        &self,
        processes: &Processes<'_>,
        facts: &Facts,
        carried: &mut Carried,
    ) -> (Option<Decision>, Upkeep<'static>) {
        let missing =
            self.password.as_ref().err().or_else(|| self.certificate.as_ref()?.as_ref().err()).cloned();
        let mut upkeep = Upkeep { missing, ..Upkeep::default() };
        let none = BTreeMap::new();
        let answers = facts.answers.as_ref().unwrap_or(&none);
        let kept = processes.upkept();
        let outcomes = processes.kept();
        let drops = self.may_drop(&kept, answers, facts.now, carried, &mut upkeep);
        let reloads = self.may_reload(facts.now, carried, &mut upkeep);
        let mut questions = Vec::new();
        for (ordinal, now) in &kept {
            let Some(answer) = answers.get(ordinal) else { continue };
            let updated = facts.pods.get(ordinal).is_some_and(|pod| pod.updated);
            let commands = self.commands(now, updated, drops, reloads);
            if now.marker != self.instance.redis_conf.marker && !outcomes.contains_key(ordinal) {
                upkeep.behind.push(*ordinal);
            }
            match outcomes.get(ordinal) {
                // What it says of itself now is seen by another look. A certificate shows in
                // none, and is loaded again at rest until every server has it.
                Some(Kept::Done) if self.commands(now, updated, drops, false) != Commands::new() => {
                    upkeep.again_ms = Some(AGAIN_MS);
                }
                Some(Kept::Done) => {}
                Some(Kept::Unanswered) => {
                    upkeep.behind.push(*ordinal);
                    upkeep.again_ms = Some(AGAIN_MS);
                }
                Some(Kept::Refused(refusal)) => {
                    upkeep.behind.push(*ordinal);
                    upkeep.refused.push((*ordinal, refusal.clone()));
                }
                None if commands == Commands::new() || answer.loading => {}
                None => questions.extend(processes.keep(*ordinal, answer, commands)),
            }
        }
        let all = processes.observed.pods.keys().all(|pod| outcomes.get(pod) == Some(&Kept::Done));
        if reloads && all && questions.is_empty() {
            carried.certificate =
                self.certificate.as_ref().and_then(|it| it.as_ref().ok()).map(|hash| (*hash, None));
        }
        ((!questions.is_empty()).then(|| Decision::ask(questions)), upkeep)
    }

    fn commands(&self, now: &Upkept, updated: bool, drops: bool, reloads: bool) -> Commands {
        let mut commands = Commands::new();
        if now.marker != self.instance.redis_conf.marker {
            // A pod that is to be replaced may have the memory of before.
            let settings = self.instance.redis_conf.hot.iter();
            let settings = settings.filter(|(setting, _)| updated || setting != "maxmemory");
            let words: Vec<&str> = ["CONFIG", "SET"]
                .into_iter()
                .chain(settings.flat_map(|(setting, value)| [setting.as_str(), value.as_str()]))
                .collect();
            commands = commands.then(words);
        }
        if let Some(password) = self.hashed() {
            let hashed = format!("#{password}");
            let others = now.passwords.iter().any(|one| *one != password);
            if drops && others {
                commands = commands.then(["ACL", "SETUSER", "default", "resetpass", &hashed]);
            } else if !now.passwords.contains(&password) {
                commands = commands.then(["ACL", "SETUSER", "default", &hashed]);
            }
        }
        if reloads {
            commands = commands.then([
                "CONFIG",
                "SET",
                "tls-cert-file",
                "/etc/redis-tls/tls.crt",
                "tls-key-file",
                "/etc/redis-tls/tls.key",
                "tls-ca-cert-file",
                "/etc/redis-tls/ca.crt",
            ]);
        }
        commands
    }

    /// Whether every pod takes the new password, and has for long enough.
    fn may_drop(
        &self,
        kept: &BTreeMap<Ordinal, Upkept>,
        answers: &BTreeMap<Ordinal, Answer>,
        now: Millis,
        carried: &mut Carried,
        upkeep: &mut Upkeep<'_>,
    ) -> bool {
        let Some(password) = self.hashed() else { return false };
        let all = kept.len() == answers.len() && kept.values().all(|it| it.passwords.contains(&password));
        let others = kept.values().any(|it| it.passwords.iter().any(|one| *one != password));
        if !all || !others {
            carried.rotated = None;
            return false;
        }
        let since = *carried.rotated.get_or_insert(now);
        wait(since, OLD_PASSWORD_MS, now, upkeep)
    }

    /// Whether a renewed certificate has surely reached the containers.
    fn may_reload(&self, now: Millis, carried: &mut Carried, upkeep: &mut Upkeep<'_>) -> bool {
        let Some(Ok(hash)) = self.certificate else { return false };
        match carried.certificate {
            Some((before, None)) if before == hash => false,
            Some((before, Some(since))) if before == hash => wait(since, CERTIFICATE_MS, now, upkeep),
            _ => {
                carried.certificate = Some((hash, Some(now)));
                wait(now, CERTIFICATE_MS, now, upkeep)
            }
        }
    }
}

/// Entries of a Secret that was asked for.
fn asked(
    observation: &Observation,
    id: &str,
    name: &str,
    field: &str,
    entries: &[&str],
) -> Result<Vec<Vec<u8>>, String> {
    let secret: Option<Option<Secret<'_>>> =
        observation.object_answer(id).map_err(|failure| format!("{field}: {}", failure.message()))?;
    let secret = secret.flatten();
    let entry = |key: &&str| {
        let entry = secret.as_ref().and_then(|secret| secret.entry(key));
        entry.ok_or_else(|| missing(key, name, field))
    };
    entries.iter().map(entry).collect()
}

fn missing(entry: &str, secret: &str, field: &str) -> String {
    format!("{field}: there is no Secret {secret} with an entry '{entry}', or the entry is empty")
}

fn wait(since: Millis, for_ms: Millis, now: Millis, upkeep: &mut Upkeep<'_>) -> bool {
    let left = for_ms.saturating_sub(now.saturating_sub(since));
    if left > 0 {
        upkeep.again_ms = Some(upkeep.again_ms.map_or(left, |again_ms| again_ms.min(left)));
    }
    left == 0
}
