//! How cost grows: with the number of audiences, and with the events that a profile has stored.
//!
//! Prints both curves and draws them into `docs/growth.svg`. `GROWTH_AUDIENCES` and `GROWTH_STORED`, numbers with
//! commas between, measure these points alone and draw nothing.

use crate::plot::{Curve, Panel};
use crate::pure::{self, Person};
use crate::stream::{Site, Traffic, known_id};
use crate::{RUNS, median, mix, now, plot, print, stock};
use std::path::Path;

const AUDIENCES: [usize; 4] = [10, 100, 1_000, 10_000];
const STORED: [usize; 4] = [10, 100, 1_000, 5_000];
/// Audiences while histories grow.
const FIXED_AUDIENCES: usize = 500;
const PEOPLE: u64 = 2_000;
const EVENTS: usize = 30_000;
const NEW_ONE_OF: u64 = 20;
/// With long histories: few people, so that millions of events are enough.
const PEOPLE_WITH_HISTORY: u64 = 1_000;
const EVENTS_ON_HISTORY: usize = 20_000;
/// A run ends about then, and has at least so many events.
const RUN_SECONDS: f64 = 6.0;
const PROBE_EVENTS: usize = 1_000;
/// In memory.
const PURE_PEOPLE: u64 = 200;
const PURE_EACH: usize = 10;

/// The points that are asked for, if not all.
fn asked(name: &str) -> Option<Vec<usize>> {
    let text = std::env::var(name).ok()?;
    Some(text.split(',').filter_map(|n| n.trim().parse().ok()).collect())
}

pub(crate) fn run() {
    let (audiences, stored) = (asked("GROWTH_AUDIENCES"), asked("GROWTH_STORED"));
    if audiences.is_some() || stored.is_some() {
        audiences.iter().flatten().for_each(|count| _ = row(*count, with_audiences(*count)));
        return stored.iter().flatten().for_each(|stored| _ = row(*stored, with_history(*stored)));
    }
    let fixed = pure::audiences(FIXED_AUDIENCES);
    print(&format!(
        "growth: {} of the {FIXED_AUDIENCES} audiences over growing histories have a part that reads whole histories",
        pure::over_whole_histories(&fixed)
    ));
    print("growth:        audiences | events/s | server CPU us per event | evaluation alone us");
    let by_audiences: Vec<Point> = AUDIENCES.iter().map(|count| row(*count, with_audiences(*count))).collect();
    print("growth: events per profile | events/s | server CPU us per event | evaluation alone us");
    let by_stored: Vec<Point> = STORED.iter().map(|stored| row(*stored, with_history(*stored))).collect();
    let [few, .., many] = by_audiences[..] else { return };
    let [short, .., long] = by_stored[..] else { return };
    print(&format!(
        "growth: throughput with {} audiences is {:.2} of that with {}; cost per event at {} stored events is {:.2} of that at {} in the server, {:.2} in evaluation alone",
        AUDIENCES[AUDIENCES.len() - 1],
        many.0 / few.0,
        AUDIENCES[0],
        STORED[STORED.len() - 1],
        long.1 / short.1,
        STORED[0],
        long.2 / short.2
    ));
    draw(&by_audiences, &by_stored);
}

/// Evaluation alone, by audiences and by stored events.
pub(crate) fn evaluation() {
    for count in AUDIENCES {
        print(&format!("evaluation: {count:>6} audiences {:>8.2} us per event", alone(count, STORED[0])));
    }
    for stored in STORED {
        print(&format!("evaluation: {stored:>6} stored events {:>8.2} us per event", alone(FIXED_AUDIENCES, stored)));
    }
}

/// Events per second, server CPU per event, evaluation alone per event.
type Point = (f64, f64, f64);

/// Prints a row of a table.
fn row(x: usize, point: Point) -> Point {
    let (rate, cpu, alone) = point;
    print(&format!("growth: {x:>18} | {rate:>8.0} | {cpu:>23.1} | {alone:>19.2}"));
    point
}

fn with_audiences(count: usize) -> Point {
    let mut site = Site::start();
    site.fill_audiences(count);
    site.introduce(PEOPLE);
    let (rate, cpu) = timed(&site, PEOPLE, EVENTS, NEW_ONE_OF);
    (rate, cpu, alone(count, STORED[0]))
}

fn with_history(stored: usize) -> Point {
    let mut site = Site::start();
    let at = now();
    stock::fill(&mut site, |fill, numbers| {
        for (_, _, number) in numbers.in_order_of_rows(fill, PEOPLE_WITH_HISTORY, known_id) {
            let (name, random) = (known_id(number), &mut mix::Random::new(number));
            let mut records = vec![numbers.person(number, &name, at)];
            records.extend((0..stored).map(|i| {
                let when = mix::stored_time(random, at);
                numbers.event(&name, &format!("stored-{number}-{i}"), when, mix::value(&mix::event(random)))
            }));
            fill.profile(&records, at).expect("the store takes rows");
        }
    });
    site.fill_audiences(FIXED_AUDIENCES);
    site.touch(PEOPLE_WITH_HISTORY);
    let (rate, cpu) = timed(&site, PEOPLE_WITH_HISTORY, EVENTS_ON_HISTORY, 0);
    (rate, cpu, alone(FIXED_AUDIENCES, stored))
}

/// Medians of events per second and server CPU per event; a first run says how many events fit into the time.
fn timed(site: &Site, people: u64, events: usize, new_one_of: u64) -> (f64, f64) {
    let take = |events, run| site.take(&site.bodies(&Traffic { people, events, new_one_of, run }));
    let fit = take(PROBE_EVENTS, 0).events_per_second * RUN_SECONDS;
    // Histories should stay about as long as they were.
    let each = (fit as usize).clamp(PROBE_EVENTS, events / RUNS);
    let (rates, costs) = (1..=RUNS as u64)
        .map(|run| take(each, run))
        .map(|taken| (taken.events_per_second, taken.cpu_us_per_event))
        .unzip();
    (median(rates), median(costs))
}

/// Microseconds per event of evaluation alone.
fn alone(count: usize, stored: usize) -> f64 {
    let (audiences, now) = (pure::audiences(count), now());
    let people: Vec<Person> = (0..PURE_PEOPLE)
        .map(|number| {
            let mut person = Person::new(number, stored, &audiences, now);
            person.forget_events(&audiences);
            person
        })
        .collect();
    median((0..RUNS as u64).map(|run| pure::cost(&audiences, &people, PURE_EACH, run)).collect())
}

fn draw(by_audiences: &[Point], by_stored: &[Point]) {
    let points = |x: &[usize], y: &mut dyn Iterator<Item = f64>| x.iter().map(|x| *x as f64).zip(y).collect();
    let panels = [
        Panel {
            title: "Throughput by number of audiences",
            x: "audiences",
            y: "events per second, committed",
            curves: vec![Curve {
                label: "whole server, 2 cores, durable",
                points: points(&AUDIENCES, &mut by_audiences.iter().map(|p| p.0)),
            }],
        },
        Panel {
            title: "Cost by stored events of a profile",
            x: "stored events per profile",
            y: "microseconds of CPU per event",
            curves: vec![
                Curve {
                    label: "whole server, 500 audiences",
                    points: points(&STORED, &mut by_stored.iter().map(|p| p.1)),
                },
                Curve { label: "evaluation alone", points: points(&STORED, &mut by_stored.iter().map(|p| p.2)) },
            ],
        },
    ];
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/growth.svg");
    std::fs::write(&path, plot::svg(&panels)).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    print("growth: drawn into docs/growth.svg");
}
