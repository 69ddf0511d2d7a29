//! Configurable aggregation: nothing goes before its group is full or old, everything within its age.

use crate::batching::chance::Chance;
use crate::batching::endpoint::Conduct;
use crate::batching::world::{AUDIENCES, Crowd, Shape, for_seeds};
use model::Status;

async fn aged(seed: u64) {
    let mut chance = Chance::new(seed);
    let age = chance.below(3_300) + 301;
    let shape = Shape {
        age_secs: Some(age as u32),
        by_segment: chance.percent(50),
        ..Shape::plain(1000 + chance.below(20) as u32)
    };
    let audiences = if shape.by_segment { 2 } else { 1 };
    let full = shape.users_max as usize;
    let mut crowd = Crowd::new(seed, shape, Conduct::default()).await;
    crowd.connect();
    for _ in 0..4 {
        for _ in 0..chance.pick(&[3, 300, 900, 1400]) {
            let audience = AUDIENCES[chance.below(audiences) as usize];
            let name = chance.below(250) as u8;
            crowd.tell(name, &[(audience, chance.pick(&[Status::Realized, Status::Exited]))], 1, 0);
        }
        crowd.pass(chance.below(age * 700) as i64).await;
    }
    crowd.drive().await;
    crowd.check(true);
    let age = age as i64 * 1000;
    for arrival in crowd.arrivals() {
        let created = |export: u64| crowd.told[export as usize - 1].created;
        let oldest = arrival.entries.iter().map(|e| created(e.export)).min().expect("not empty");
        assert!(arrival.at <= oldest + age, "seed {seed}: sent {} ms late", arrival.at - oldest - age);
        let users = arrival.entries.len();
        assert!(users == full || arrival.at == oldest + age, "seed {seed}: {users} users left early");
    }
}

#[test]
fn groups_leave_when_full_or_old() {
    for_seeds(20, aged);
}
