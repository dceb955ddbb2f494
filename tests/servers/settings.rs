//! Which settings a server takes while it runs, as each version itself says.

use std::collections::BTreeSet;

use operlet_redis::{
    settings::{IMMUTABLE, refusal},
    talk::{command::Commands, resp::Reply, users},
};
use operlet_sdk::{Exchange, ExchangeEnd, Step};

use crate::{
    image::IMAGES,
    server::{PORT, Server, UID, operator},
    wire::say,
};

/// Ends what is answered.
const END: &str = "9d5ed678fe57bcca610140957afab571";

/// For every setting of a server.
const TIMEOUT_MS: u32 = 10_000;

/// The settings that a server refuses to change while it runs. Each is set to what it is.
fn immutable(server: &Server) -> BTreeSet<String> {
    let replies = answers(server, Commands::new().then(["CONFIG", "GET", "*"]));
    let replies = Reply::read_all(&replies).expect("what a server answers is in its protocol");
    let words: Vec<&str> =
        replies[0].elements().expect("a list").iter().map(|word| word.text().expect("text")).collect();
    let settings: Vec<(&str, &str)> = words.chunks_exact(2).map(|pair| (pair[0], pair[1])).collect();
    let set = settings
        .iter()
        .fold(Commands::new(), |commands, (setting, value)| commands.then(["CONFIG", "SET", setting, value]));
    let replies = answers(server, set);
    let replies = Reply::read_all(&replies).expect("what a server answers is in its protocol");
    let refused = settings.iter().zip(&replies).filter(|(_, reply)| match reply {
        Reply::Error(why) => why.contains("can't set immutable config"),
        _ => false,
    });
    refused.map(|((setting, _), _)| (*setting).to_owned()).collect()
}

fn answers(server: &Server, commands: Commands) -> Vec<u8> {
    let login = Commands::new().then(["AUTH", users::USER, &operator().password]);
    let exchange = Exchange::probe("a-0", UID, PORT)
        .step(Step::line(login.into_bytes()).expect("+OK\r\n"))
        .step(Step::until(commands.then(["ECHO", END]).into_bytes(), format!("{END}\r\n")))
        .within_ms(TIMEOUT_MS);
    match say(&exchange, server.address) {
        ExchangeEnd::Replies(mut replies) => replies.remove(1),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_setting_is_said_to_need_a_restart_if_a_server_says_so() {
    let mut found = BTreeSet::new();
    for image in IMAGES {
        let immutable = immutable(&Server::start(image, &["--appendonly", "no"]));
        assert!(immutable.contains("databases"), "{}: {immutable:?}", image.0);
        found.extend(immutable);
    }
    // Names with an underscore are older ones of the same.
    found.retain(|setting| refusal(setting).is_none() && !setting.contains('_'));
    let said: BTreeSet<String> = IMMUTABLE.iter().map(|&setting| setting.to_owned()).collect();
    assert_eq!(said, found);
}
