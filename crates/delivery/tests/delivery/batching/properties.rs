//! What holds whatever the receiver does: nothing is lost, nothing is taken twice while it answers truthfully,
//! caps and order are kept, refusals are told, and every change ends once.

use crate::batching::chance::Chance;
use crate::batching::endpoint::{Conduct, Dialect, Trouble};
use crate::batching::world::{Crowd, Groups, Shape, for_seeds};
use std::time::Duration;

const DIALECTS: [Dialect; 5] =
    [Dialect::Whole, Dialect::StatusList, Dialect::FailedIndexes, Dialect::FailedIds, Dialect::Counts];

fn shape(chance: &mut Chance) -> Shape {
    let by_segment = chance.percent(50);
    Shape {
        users_max: chance.pick(&[1, 2, 3, 5, 8, 100]),
        split: chance.percent(25),
        by_segment,
        by_status: by_segment && chance.percent(50),
        groups: chance.pick(&[Groups::Any, Groups::Any, Groups::All, Groups::Each, Groups::Email]),
        dialect: chance.pick(&DIALECTS),
        ..Shape::plain(1)
    }
}

/// Every change is one piece.
fn whole_shape(chance: &mut Chance) -> Shape {
    let users_max = chance.pick(&[1, 2, 3, 5, 8, 100]);
    let groups = chance.pick(&[Groups::Any, Groups::All, Groups::Email]);
    Shape { groups, dialect: chance.pick(&DIALECTS), ..Shape::plain(users_max) }
}

fn conduct(chance: &mut Chance, dialect: Dialect, troubles: &[Trouble]) -> Conduct {
    let poison_percent = chance.pick(&[0, 0, 5, 30]);
    Conduct {
        dialect,
        poisoned: (1..500).filter(|_| chance.percent(poison_percent)).collect(),
        troubles: troubles.to_vec(),
        trouble_percent: chance.pick(&[0, 20, 60]),
        later_percent: chance.pick(&[0, 30]),
        ..Conduct::default()
    }
}

/// Some changes at a time, time passes, and now and then the flow is told something.
async fn play(crowd: &mut Crowd, chance: &mut Chance, rounds: u64, mut told: impl FnMut(&mut Crowd, &mut Chance)) {
    let profiles = chance.pick(&[2, 6, 40]);
    for _ in 0..rounds {
        for _ in 0..=chance.below(12) {
            crowd.tell_any(chance, profiles);
        }
        match chance.below(4) {
            0 if crowd.is_connected() => crowd.until(Crowd::is_quiet).await,
            1 if crowd.is_connected() => crowd.drive().await,
            2 => crowd.advance(chance.below(20_000) as i64),
            _ => {}
        }
        told(crowd, chance);
    }
}

async fn truthful(seed: u64) {
    let mut chance = Chance::new(seed);
    let shape = shape(&mut chance);
    let troubles = [
        Trouble::Status(500),
        Trouble::Status(503),
        Trouble::Status(429),
        Trouble::Busy(90),
        Trouble::Reset,
        Trouble::Revoke,
    ];
    let conduct = conduct(&mut chance, shape.dialect, &troubles);
    let mut crowd = Crowd::new(seed, shape, conduct).await;
    crowd.connect();
    play(&mut crowd, &mut chance, 4, |crowd, chance| {
        if chance.percent(20) {
            // Corrected: the same design again.
            crowd.connect();
        }
    })
    .await;
    crowd.drive().await;
    crowd.check(true);
}

#[test]
fn what_is_told_truthfully_is_taken_once() {
    for_seeds(300, truthful);
}

async fn lost_answers(seed: u64) {
    let mut chance = Chance::new(seed);
    let shape = shape(&mut chance);
    let troubles = [Trouble::LostAnswer, Trouble::SilentAnswer, Trouble::Stall, Trouble::Status(502)];
    let conduct = conduct(&mut chance, shape.dialect, &troubles);
    let conduct = Conduct { knows_ids: chance.percent(70), later_percent: 0, trouble_max: 3, ..conduct };
    let exactly = conduct.knows_ids;
    let mut crowd = Crowd::new(seed, shape, conduct).await;
    crowd.tune = |batching| batching.timeout = Duration::from_millis(150);
    crowd.connect();
    play(&mut crowd, &mut chance, 2, |_, _| {}).await;
    crowd.drive().await;
    crowd.check(exactly);
}

#[test]
fn lost_answers_cost_no_change_and_ids_tell_repeats() {
    for_seeds(100, lost_answers);
}

async fn interrupted(seed: u64) {
    let mut chance = Chance::new(seed);
    let one_piece = chance.percent(60);
    let shape = if one_piece { whole_shape(&mut chance) } else { shape(&mut chance) };
    let troubles = [Trouble::Status(500), Trouble::Busy(10), Trouble::Reset];
    let conduct = conduct(&mut chance, shape.dialect, &troubles);
    let mut crowd = Crowd::new(seed, shape.clone(), conduct).await;
    crowd.connect();
    play(&mut crowd, &mut chance, 6, |crowd, chance| match chance.below(6) {
        0 => crowd.disable(),
        1 => {
            crowd.disable();
            crowd.connect();
        }
        2 => {
            // Another design, though it says the same.
            let shape = crowd.shape.clone();
            crowd.redesign(shape);
            crowd.connect();
        }
        _ => crowd.connect(),
    })
    .await;
    crowd.connect();
    crowd.drive().await;
    // What of a change went out before it was forgotten goes out again with the rest of it.
    crowd.check(one_piece || !shape.many_pieces());
}

#[test]
fn disabling_and_replacing_lose_and_repeat_nothing() {
    for_seeds(200, interrupted);
}

async fn restarted(seed: u64) {
    let mut chance = Chance::new(seed);
    let one_piece = chance.percent(60);
    let shape = if one_piece { whole_shape(&mut chance) } else { shape(&mut chance) };
    let troubles = [Trouble::Status(500), Trouble::LostAnswer, Trouble::Reset];
    let conduct = conduct(&mut chance, shape.dialect, &troubles);
    let conduct = Conduct { knows_ids: true, later_percent: 0, trouble_max: 2, ..conduct };
    let mut crowd = Crowd::new(seed, shape.clone(), conduct).await;
    crowd.restart().await;
    for _ in 0..4 {
        for _ in 0..=chance.below(20) {
            crowd.tell_any(&mut chance, 12);
        }
        match chance.below(3) {
            0 => tokio::task::yield_now().await,
            1 => {
                let some = crowd.arrivals().len() + chance.below(3) as usize;
                crowd.until(|c| c.arrivals().len() > some || c.is_quiet()).await;
            }
            _ => crowd.until(Crowd::is_quiet).await,
        }
        crowd.restart().await;
    }
    crowd.drive().await;
    crowd.stop().await;
    crowd.check(one_piece || !shape.many_pieces());
}

#[test]
fn after_a_restart_what_was_under_way_is_repeated_as_it_was() {
    for_seeds(100, restarted);
}
