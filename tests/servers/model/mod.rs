//! Holds the simulation's model of Redis to real servers: both are told the same and
//! must answer the same.
//!
//! `OPERLET_MODEL_SEED` repeats a run, `OPERLET_MODEL_COMMANDS` says how many commands
//! each version is told, `OPERLET_MODEL_TOLD` how many lines of them are shown when
//! something differs.

mod chance;
mod commands;
mod episode;
mod frame;
mod interrupt;
mod loopback;
mod names;
mod operator;
mod pair;
mod plain;
mod real;
mod settle;
mod world;

use std::time::Instant;

use self::{
    chance::Chance,
    episode::{Counts, Episode, Setting},
    loopback::Loopback,
    pair::Pair,
    real::Real,
};
use crate::image::IMAGES;

const COMMANDS: usize = 400;

/// The most steps of an episode.
const STEPS_MAX: usize = 300;

/// After so many differences there is nothing to learn from more.
const DIFFERENCES_MAX: usize = 5;

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|number| number.parse().unwrap_or_else(|_| panic!("{name} is no number")))
}

/// Tells both worlds the same, as the seed says, until enough was said.
fn episode(
    image: (&'static str, &'static str),
    seed: u64,
    enough: usize,
    counts: &mut Counts,
) -> Result<(), ()> {
    let mut chance = Chance::new(seed);
    let setting = Setting::draw(&mut chance);
    let real = Real::new(image, &setting.arguments);
    let model = Loopback::like(&real.servers, seed);
    let pair = Pair::new([Box::new(real), Box::new(model)], setting.arguments.len());
    counts.episodes += 1;
    let steps = 30 + chance.below(STEPS_MAX - 30);
    let mut episode = Episode::new(pair, &setting, &mut chance, counts, image.0);
    episode.run(steps, enough).map_err(|difference| {
        let (told, arguments) = (episode.pair.told(), &setting.arguments[0]);
        println!(
            "{} differs from the model: {}\n{} servers {arguments:?}, OPERLET_MODEL_SEED={seed}\n{told}",
            image.0,
            difference.0,
            setting.arguments.len()
        );
    })
}

fn compare(image: (&'static str, &'static str)) {
    let seed = number("OPERLET_MODEL_SEED").unwrap_or(1);
    let commands = number("OPERLET_MODEL_COMMANDS").map_or(COMMANDS, |count| usize::try_from(count).unwrap());
    let (begun, mut counts, mut differences) = (Instant::now(), Counts::default(), 0);
    for seed in seed.. {
        if counts.commands >= commands || differences == DIFFERENCES_MAX {
            break;
        }
        let before = counts.clone();
        if episode(image, seed, commands, &mut counts).is_ok() {
            continue;
        }
        // What only a busy machine brought about does not come about again.
        counts = before;
        differences += usize::from(episode(image, seed, commands, &mut counts).is_err());
    }
    println!(
        "{}: from seed {seed} in {:?} {} episodes, {} commands, {} acts, {} kills, \
         {} ends, {} freezes, {} restarts with data and {} without, {} times all state; {differences} differences",
        image.0,
        begun.elapsed(),
        counts.episodes,
        counts.commands,
        counts.acts,
        counts.kills,
        counts.ends,
        counts.freezes,
        counts.restarts_with_data,
        counts.restarts_without,
        counts.settled
    );
    assert_eq!(differences, 0, "{} differs from the model: see above", image.0);
}

#[test]
fn the_model_answers_as_redis_7_0_does() {
    compare(IMAGES[0]);
}

#[test]
fn the_model_answers_as_redis_8_0_does() {
    compare(IMAGES[1]);
}

#[test]
fn the_model_answers_as_valkey_8_1_does() {
    compare(IMAGES[2]);
}
