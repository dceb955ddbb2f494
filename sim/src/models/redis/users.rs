//! Who may log in and do what: access control lists.

use std::{collections::BTreeMap, fmt::Write as _};

use sha2::{Digest as _, Sha256};

use super::{commands, resp::Reply};

/// The user that clients are who have not logged in.
pub(super) const DEFAULT: &str = "default";

/// The pattern that stands for every key or channel.
const ALL: &str = "*";

const AFTER_ALL_KEYS: &str = "Adding a pattern after the * pattern (or the 'allkeys' flag) is not valid and does not have any effect. Try 'resetkeys' to start with an empty list of patterns";

const AFTER_ALL_CHANNELS: &str = "Adding a pattern after the * pattern (or the 'allchannels' flag) is not valid and does not have any effect. Try 'resetchannels' to start with an empty list of channels";

/// All users, by name.
#[derive(Clone, Debug)]
pub(super) struct Users(BTreeMap<String, User>);

/// One of them.
#[derive(Clone, Debug, Default)]
pub(super) struct User {
    on: bool,
    nopass: bool,
    /// It was reset, which is shown.
    sanitizes: bool,
    /// Hashes.
    passwords: Vec<String>,
    rules: Vec<Rule>,
    keys: Vec<String>,
    channels: Vec<String>,
}

/// What is allowed or forbidden. The last that fits counts.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Rule {
    allows: bool,
    /// All commands without it.
    command: Option<String>,
    /// All its subcommands without it.
    subcommand: Option<String>,
}

impl Default for Users {
    fn default() -> Self {
        let mut user = User::default();
        for rule in ["on", "nopass", "~*", "&*", "+@all"] {
            // They are rules.
            let _ = user.apply(rule);
        }
        Self([(DEFAULT.to_owned(), user)].into())
    }
}

impl Users {
    /// Changes a user, or makes one.
    pub(super) fn set(&mut self, name: &str, rules: &[String]) -> Result<(), Reply> {
        let mut user = self.0.get(name).cloned().unwrap_or_default();
        for rule in rules {
            user.apply(rule)
                .map_err(|why| Reply::error(&format!("ERR Error in ACL SETUSER modifier '{rule}': {why}")))?;
        }
        self.0.insert(name.to_owned(), user);
        Ok(())
    }

    pub(super) fn remove(&mut self, name: &str) -> bool {
        self.0.remove(name).is_some()
    }

    pub(super) fn get(&self, name: &str) -> Option<&User> {
        self.0.get(name)
    }

    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }

    /// Whether this user may log in with this password.
    pub(super) fn admits(&self, name: &str, password: &[u8]) -> bool {
        self.knows(name, &hashed(password))
    }

    /// Whether this user may log in with the password of this hash.
    pub(super) fn knows(&self, name: &str, hash: &str) -> bool {
        let has = |known: &String| known == hash;
        self.get(name).is_some_and(|user| user.on && (user.nopass || user.passwords.iter().any(has)))
    }
}

impl User {
    /// Whether whoever comes is this user without a password.
    pub(super) fn is_open(&self) -> bool {
        self.on && self.nopass
    }

    pub(super) fn needs_no_password(&self) -> bool {
        self.nopass
    }

    pub(super) fn may(&self, command: &str, subcommand: Option<&str>) -> bool {
        let fits = |rule: &&Rule| {
            rule.command.as_deref().is_none_or(|one| one == command)
                && rule.subcommand.as_deref().is_none_or(|one| Some(one) == subcommand)
        };
        self.rules.iter().rev().find(fits).is_some_and(|rule| rule.allows)
    }

    pub(super) fn may_use(&self, key: &[u8]) -> bool {
        self.keys.iter().any(|pattern| matches(pattern.as_bytes(), key))
    }

    pub(super) fn may_speak(&self, channel: &[u8]) -> bool {
        self.channels.iter().any(|pattern| matches(pattern.as_bytes(), channel))
    }

    /// Takes in a rule, or says why not.
    fn apply(&mut self, rule: &str) -> Result<(), &'static str> {
        let (sign, rest) = rule.split_at_checked(1).unwrap_or((rule, ""));
        match (rule, sign) {
            ("on", _) => self.on = true,
            ("off", _) => self.on = false,
            ("nopass", _) => {
                self.nopass = true;
                self.passwords.clear();
            }
            ("resetpass", _) => {
                self.nopass = false;
                self.passwords.clear();
            }
            ("reset", _) => *self = Self { sanitizes: true, ..Self::default() },
            ("resetkeys", _) => self.keys.clear(),
            ("resetchannels", _) => self.channels.clear(),
            ("allkeys" | "~*", _) => self.keys = vec![ALL.to_owned()],
            ("allchannels" | "&*", _) => self.channels = vec![ALL.to_owned()],
            ("allcommands", _) => return self.apply("+@all"),
            ("nocommands", _) => return self.apply("-@all"),
            (_, ">") => self.add_password(hashed(rest.as_bytes())),
            (_, "#") => self.add_password(rest.to_owned()),
            (_, "<") => return self.remove_password(&hashed(rest.as_bytes())),
            (_, "!") => return self.remove_password(rest),
            (_, "~") => return add_pattern(&mut self.keys, rest, AFTER_ALL_KEYS),
            (_, "&") => return add_pattern(&mut self.channels, rest, AFTER_ALL_CHANNELS),
            ("+@all" | "-@all", _) => {
                self.rules = vec![Rule { allows: sign == "+", command: None, subcommand: None }];
            }
            (_, "+" | "-") if !rest.is_empty() && !rest.starts_with('@') => {
                let lower = rest.to_lowercase();
                let (command, subcommand) = match lower.split_once('|') {
                    Some((command, subcommand)) => (command.to_owned(), Some(subcommand.to_owned())),
                    None => (lower, None),
                };
                if commands::find(&command).is_none() {
                    return Err("Unknown command or category name in ACL");
                }
                self.rules.push(Rule { allows: sign == "+", command: Some(command), subcommand });
            }
            _ => return Err("Syntax error"),
        }
        Ok(())
    }

    fn remove_password(&mut self, hash: &str) -> Result<(), &'static str> {
        let before = self.passwords.len();
        self.passwords.retain(|known| known != hash);
        if self.passwords.len() == before {
            return Err("The password you are trying to remove from the user does not exist");
        }
        Ok(())
    }

    fn add_password(&mut self, hash: String) {
        self.nopass = false;
        if !self.passwords.contains(&hash) {
            self.passwords.push(hash);
        }
    }

    /// What `ACL GETUSER` says.
    pub(super) fn told(&self) -> Reply {
        let mut flags = vec![if self.on { "on" } else { "off" }];
        flags.extend(self.nopass.then_some("nopass"));
        flags.extend(self.sanitizes.then_some("sanitize-payload"));
        let joined = |sign: &str, all: &[String]| {
            all.iter().map(|one| format!("{sign}{one}")).collect::<Vec<_>>().join(" ")
        };
        let mut rules = String::new();
        for rule in &self.rules {
            let sign = if rule.allows { '+' } else { '-' };
            let command = rule.command.as_deref().unwrap_or("@all");
            let subcommand = rule.subcommand.iter().fold(String::new(), |_, one| format!("|{one}"));
            // Writing to a string cannot fail.
            let _ = write!(rules, "{}{sign}{command}{subcommand}", if rules.is_empty() { "" } else { " " });
        }
        let rules = if rules.is_empty() { "-@all".to_owned() } else { rules };
        Reply::array([
            Reply::bulk("flags"),
            Reply::array(flags.into_iter().map(Reply::bulk)),
            Reply::bulk("passwords"),
            Reply::array(self.passwords.iter().map(Reply::bulk)),
            Reply::bulk("commands"),
            Reply::bulk(rules),
            Reply::bulk("keys"),
            Reply::bulk(joined("~", &self.keys)),
            Reply::bulk("channels"),
            Reply::bulk(joined("&", &self.channels)),
            Reply::bulk("selectors"),
            Reply::array([]),
        ])
    }
}

fn add_pattern(patterns: &mut Vec<String>, one: &str, refusal: &'static str) -> Result<(), &'static str> {
    if patterns.iter().any(|pattern| pattern == ALL) {
        return Err(refusal);
    }
    if !patterns.iter().any(|pattern| pattern == one) {
        patterns.push(one.to_owned());
    }
    Ok(())
}

fn hashed(password: &[u8]) -> String {
    Sha256::digest(password).iter().fold(String::new(), |mut text, byte| {
        // Writing to a string cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// Whether a text fits a pattern, in which `*` stands for anything and `?` for one byte.
pub(super) fn matches(pattern: &[u8], text: &[u8]) -> bool {
    match (pattern.split_first(), text.split_first()) {
        (None, None) => true,
        (Some((b'*', rest)), _) => {
            matches(rest, text) || text.split_first().is_some_and(|(_, left)| matches(pattern, left))
        }
        (Some((b'?', rest)), Some((_, left))) => matches(rest, left),
        (Some((one, rest)), Some((other, left))) if one == other => matches(rest, left),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn user(rules: &str) -> User {
        let mut user = User::default();
        assert!(rules.split(' ').all(|rule| user.apply(rule).is_ok()), "{rules}");
        user
    }

    #[test]
    fn the_last_rule_that_fits_counts() {
        let user = user("on ~* +@all -acl +acl|whoami -config|set");
        assert!(user.may("get", None) && user.may("acl", Some("whoami")) && user.may("config", Some("get")));
        assert!(!user.may("acl", Some("list")) && !user.may("config", Some("set")));
    }

    #[test]
    fn patterns_stand_for_anything() {
        assert!(matches(b"min-*", b"min-replicas") && matches(b"*", b"") && matches(b"a?c", b"abc"));
        assert!(!matches(b"min-*", b"max") && !matches(b"a", b"ab"));
    }
}
