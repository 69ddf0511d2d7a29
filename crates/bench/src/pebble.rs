//! Templates: renders a second of one thread, template and context prepared once.
//!
//! Four cases under `data/pebble`; the baseline is what the reference engine (Java, warmed up) reached on them.
//! One line each, then the geometric mean of the ratios. Every output is compared with the expected one first.

use ::pebble::{Limits, Options, Template, Value};
use std::io::Write as _;
use std::time::{Duration, Instant};

/// Name, renders a second of the reference engine, the case.
const CASES: [(&str, f64, &str); 4] = [
    ("b1", 614_000.0, include_str!("../data/pebble/b1_profile10.json")),
    ("b2", 2_350.0, B2),
    ("b3", 34_900.0, include_str!("../data/pebble/b3_map_cond.json")),
    ("b4", 7_660.0, include_str!("../data/pebble/b4_hash_filters.json")),
];
/// 100 profiles in one message.
pub(crate) const B2: &str = include_str!("../data/pebble/b2_loop100.json");
const RUNS: usize = 7;
const RUN_TIME: Duration = Duration::from_millis(400);

pub(crate) fn run() {
    let mut product = 1.0;
    for (name, reference, case) in CASES {
        let rate = rate(name, case);
        let ratio = rate / reference;
        product *= ratio;
        print(&format!("pebble {name}: {rate:.0} renders/s; reference {reference:.0}/s; ratio {ratio:.2}"));
    }
    print(&format!("pebble: geometric mean of the ratios {:.2}", f64::powf(product, 0.25)));
}

/// Renders a second of processor time: the best of several runs, since other work can only slow a run down.
fn rate(name: &str, case: &str) -> f64 {
    let case = Value::parse_json(case).expect("a case is JSON");
    let Value::Map(case) = case else { panic!("a case is an object") };
    let text = |field: &str| match case.get(field) {
        Some(Value::Str(text)) => text.to_string(),
        _ => panic!("a case has the text `{field}`"),
    };
    let options = Options { autoescape: false, ..Options::default() };
    let template = Template::compile(name, &text("template"), &options).expect("the template is sound");
    let context = case.get("context").expect("a case has a context");
    let limits = Limits::default();
    let mut out = String::new();
    template.render(context, &mut out, &limits).expect("the case renders");
    assert_eq!(out, text("expected"), "{name}");
    let mut best: f64 = 0.0;
    for _ in 0..RUNS {
        let (started, mut renders, cpu) = (Instant::now(), 0_u64, cpu_time());
        while started.elapsed() < RUN_TIME {
            for _ in 0..16 {
                out.clear();
                template.render(context, &mut out, &limits).expect("the case renders");
                std::hint::black_box(&out);
            }
            renders += 16;
        }
        let spent = cpu.zip(cpu_time()).map_or_else(|| started.elapsed(), |(from, to)| to - from);
        best = best.max(renders as f64 / spent.as_secs_f64());
    }
    best
}

/// What this thread has had of a processor; other work on the machine does not count.
fn cpu_time() -> Option<Duration> {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").ok()?;
    text.split(' ').next()?.parse().ok().map(Duration::from_nanos)
}

fn print(line: &str) {
    // A closed pipe ends the output, not the measurement.
    let _ = writeln!(std::io::stdout().lock(), "{line}");
}
