//! Tables of records and the profiles they give.

use super::*;
use std::collections::HashMap;
use std::convert::Infallible;

#[derive(Default)]
struct Memory {
    identities: HashMap<Xid, ProfileId>,
    graphs: HashMap<ProfileId, Graph>,
}

impl Rows for Memory {
    type Error = Infallible;
    fn profile_of(&mut self, xid: Xid) -> Result<Option<ProfileId>, Infallible> {
        Ok(self.identities.get(&xid).copied())
    }
    fn graph(&mut self, profile: ProfileId) -> Result<Option<Graph>, Infallible> {
        Ok(self.graphs.get(&profile).cloned())
    }
    fn put_profile_of(&mut self, xid: Xid, profile: Option<ProfileId>) {
        match profile {
            Some(profile) => drop(self.identities.insert(xid, profile)),
            None => drop(self.identities.remove(&xid)),
        }
    }
    fn put_graph(&mut self, profile: ProfileId, graph: Graph) {
        self.graphs.insert(profile, graph);
    }
}

fn xid(n: u8) -> Xid {
    Xid([n; 16])
}

fn step(rows: &mut Memory, xids: &[u8], now: i64) -> (u8, Vec<u8>) {
    let xids: Vec<Xid> = xids.iter().map(|n| xid(*n)).collect();
    let found = resolve(rows, &xids, Timestamp(now)).expect("infallible");
    (found.profile.0[0], found.losers.iter().map(|l| l.0[0]).collect())
}

#[test]
fn two_known_profiles_turn_out_to_be_one() {
    let mut rows = Memory::default();
    assert_eq!(step(&mut rows, &[9], 1), (9, vec![]));
    assert_eq!(step(&mut rows, &[3], 2), (3, vec![]));
    assert_eq!(step(&mut rows, &[3, 9], 3), (9, vec![3]), "the earlier one wins");
    assert_eq!(step(&mut rows, &[3], 4), (9, vec![]));
    assert_eq!(rows.graphs[&xid(3)], Graph::Merged(xid(9)));
}

#[test]
fn ties_go_to_the_smaller_id_and_three_become_one() {
    let mut rows = Memory::default();
    for n in [5, 4, 6] {
        step(&mut rows, &[n], 1);
    }
    assert_eq!(step(&mut rows, &[6, 5, 4], 2), (4, vec![5, 6]));
    let Graph::Alive { members, .. } = &rows.graphs[&xid(4)] else { panic!("alive") };
    assert_eq!(members, &[xid(4), xid(5), xid(6)]);
}

#[test]
fn a_detached_identity_is_unknown_and_comes_back_as_another_profile() {
    let mut rows = Memory::default();
    step(&mut rows, &[1, 2], 1);
    detach(&mut rows, xid(1), &[xid(1)]).expect("infallible");
    let (profile, losers) = step(&mut rows, &[1], 2);
    assert_ne!(profile, 1, "the id stays with the profile that has it");
    assert!(losers.is_empty());
    assert_eq!(step(&mut rows, &[2], 3).0, 1);
}

#[test]
fn rows_read_back() {
    for graph in [Graph::Merged(xid(7)), Graph::Alive { created: Timestamp(5), members: vec![xid(1), xid(2)] }] {
        assert_eq!(Graph::decode(&graph.encode()), Ok(graph));
    }
    assert!(Graph::decode(&[9]).is_err());
}
