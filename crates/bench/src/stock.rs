//! People with histories, written as rows into the store of a stopped server: through the API it would take hours.

use crate::mix;
use crate::stream::{SANDBOX, Site};
use engine::Fill;
use model::{DatasetNo, DocSet, Identity, NamespaceId, PartitionNo, ProfileId, SmolStr, Timestamp, Value};
use profile::{AuthState, Record, RecordIdentity, RecordKind};
use segmentation::namespaces;
use store::Store;
use store_local::{FjallStore, StoreOptions};

/// Stores are filled with more memory than they are served with.
const MEMTABLE_BYTES: u64 = 64 << 20;

/// The names and numbers that a site gave its documents.
pub(crate) struct Numbers {
    pub(crate) docs: DocSet,
    pub(crate) activity: DatasetNo,
    people: DatasetNo,
    crm: NamespaceId,
}

/// The store of a site whose server was stopped.
pub(crate) fn open(site: &Site) -> FjallStore {
    let options = StoreOptions { memtable_bytes: MEMTABLE_BYTES, ..StoreOptions::default() };
    FjallStore::open_with(site.world.server.data_dir().join("store"), options).expect("the store opens")
}

impl Numbers {
    pub(crate) fn read(site: &Site, fill: &Fill<'_>) -> Numbers {
        let docs = fill.docs().expect("documents");
        let dataset = |id: &str| registry::dataset(&docs, SANDBOX, id).expect("a data set").no;
        let (activity, people) = (dataset(&site.activity.dataset), dataset(&site.world.profile.dataset));
        let crm = namespaces::by_code(&docs, SANDBOX, "CRMID").expect("a namespace").id;
        Numbers { docs, activity, people, crm }
    }

    pub(crate) fn identity(&self, person: &str) -> Identity {
        Identity { namespace: self.crm, value: SmolStr::new(person) }
    }

    fn identities(&self, person: &str) -> Vec<RecordIdentity> {
        let identity = self.identity(person);
        vec![RecordIdentity { identity, state: AuthState::Ambiguous, primary: true, mapped: true, in_graph: true }]
    }

    /// An event of a person.
    pub(crate) fn event(&self, person: &str, id: &str, timestamp: Timestamp, body: Value) -> Record {
        Record {
            kind: RecordKind::Event,
            dataset: self.activity,
            id: SmolStr::new(id),
            timestamp,
            identities: self.identities(person),
            body,
        }
    }

    /// A person's attributes.
    pub(crate) fn person(&self, number: u64, person: &str, timestamp: Timestamp) -> Record {
        Record {
            kind: RecordKind::Attributes,
            dataset: self.people,
            id: SmolStr::default(),
            timestamp,
            identities: self.identities(person),
            body: mix::value(&mix::person(number)),
        }
    }

    /// People by number in the order of their rows, each with its place.
    pub(crate) fn in_order_of_rows(
        &self,
        fill: &Fill<'_>,
        people: u64,
        name: impl Fn(u64) -> String,
    ) -> Vec<(PartitionNo, ProfileId, u64)> {
        let place = |number| {
            let (partition, profile) = fill.place(&self.identity(&name(number)));
            (partition, profile, number)
        };
        let mut all: Vec<_> = (0..people).map(place).collect();
        all.sort_unstable();
        all
    }
}

/// Stops the server of a site, fills its store and starts it again.
pub(crate) fn fill<T>(site: &mut Site, act: impl FnOnce(&mut Fill<'_>, &Numbers) -> T) -> T {
    site.world.server.terminate();
    let answer = {
        let store = open(site);
        let mut fill = Fill::open(&store, SANDBOX).expect("a store of a server");
        let numbers = Numbers::read(site, &fill);
        let answer = act(&mut fill, &numbers);
        fill.finish().expect("the store takes rows");
        store.flush().expect("the store takes rows");
        answer
    };
    site.world.restart();
    answer
}

/// Rows of one keyspace, at most so many.
pub(crate) fn some_rows(store: &dyn Store, keyspace: store::Keyspace, most: usize) -> Vec<Vec<u8>> {
    let mut rows = Vec::new();
    let visited = store.scan_prefix(keyspace, &[], &mut |_, row| {
        rows.push(row.to_vec());
        if rows.len() < most { std::ops::ControlFlow::Continue(()) } else { std::ops::ControlFlow::Break(()) }
    });
    visited.expect("the store can be read");
    rows
}
