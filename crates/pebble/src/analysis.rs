//! Which parts of its context a template reads, found without a context.
//!
//! In: the tree of a template. Out: [`Reads`] of the context. Always: what is left out is never looked at, whatever
//! the context; where that is not plain to see, all is read. Loops and variables that are set once, before all
//! their uses, are followed. A loop does not know whether it goes over a list or a map, so it reads as if both.

use crate::methods::means;
use crate::predicates::Predicate;
use crate::reads::{Parts, Reads};
use crate::template::Template;
use crate::tree::{Expr, FilterCall, For, Macro, Node, Path, PathMacro, Step};
use crate::value::Value;
use smol_str::SmolStr;
use std::collections::{BTreeMap, HashMap};

/// Deeper parts are read as a whole, so that what comes out can be walked.
const DEPTH_MAX: u32 = 48;
/// Likewise what may stand in more places than this.
const PLACES_MAX: usize = 16;
const ROOT: usize = 0;

/// What a template reads of its context when it is the one that is rendered.
pub(crate) fn reads(template: &Template) -> Reads {
    if !template.alone {
        return Reads::Whole;
    }
    let mut analysis = Analysis { parts: vec![Part::default()], ..Analysis::default() };
    analysis.nodes(&template.body);
    analysis.in_macro = true;
    template.macros.values().for_each(|called| analysis.called(called));
    analysis.settle();
    analysis.reads_of(ROOT)
}

/// A part of the context; others are named by their place in the list of all.
#[derive(Default)]
struct Part {
    whole: bool,
    keys: bool,
    depth: u32,
    named: BTreeMap<SmolStr, usize>,
    items: Option<usize>,
    values: Option<usize>,
}

/// Where a value may stem from. No place: the template made it, or all of it counts as read.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Place {
    Part(usize),
    /// An item of a part.
    Item(usize),
    /// An entry of a part.
    Entry(usize),
}

/// A name that hides a name of the context.
struct Local {
    places: Vec<Place>,
    /// The `set` that gave it its value.
    set: Option<usize>,
}

/// A `set`, and how many uses of its name certainly see its value.
struct Alias<'a> {
    name: &'a str,
    places: Vec<Place>,
    uses: usize,
}

#[derive(Default)]
struct Analysis<'a> {
    parts: Vec<Part>,
    locals: HashMap<&'a str, Vec<Local>>,
    aliases: Vec<Alias<'a>>,
    /// How often each name is used, wherever.
    uses: HashMap<&'a str, usize>,
    /// Macros see nothing of the context but their arguments.
    in_macro: bool,
}

impl<'a> Analysis<'a> {
    fn nodes(&mut self, nodes: &'a [Node]) {
        let mut set = Vec::new();
        for node in nodes {
            match node {
                Node::Text(_) => {}
                Node::Print(expr) => self.whole(expr),
                Node::If(branches) => {
                    for branch in &branches.branches {
                        self.whole(&branch.condition);
                        self.nodes(&branch.body);
                    }
                    self.nodes(&branches.otherwise);
                }
                Node::For(each) => self.for_each(each),
                Node::Set(one) => {
                    let (name, places) = (one.name.text.as_str(), self.places(&one.value));
                    self.aliases.push(Alias { name, places: places.clone(), uses: 0 });
                    self.enter(name, places, Some(self.aliases.len() - 1));
                    set.push(name);
                }
                Node::Group(body) => self.nodes(body),
                Node::Cache(cache) => {
                    self.whole(&cache.0);
                    self.nodes(&cache.1);
                }
                // These are for templates that use others.
                Node::Block(..) | Node::Include(_) | Node::Extends(_) | Node::Import(_) => self.all(Place::Part(ROOT)),
            }
        }
        set.into_iter().for_each(|name| self.leave(name));
    }

    fn enter(&mut self, name: &'a str, places: Vec<Place>, set: Option<usize>) {
        self.locals.entry(name).or_default().push(Local { places, set });
    }

    fn leave(&mut self, name: &str) {
        self.locals.get_mut(name).and_then(Vec::pop);
    }

    fn for_each(&mut self, each: &'a For) {
        let over = self.places(&each.over);
        let mut items = Vec::with_capacity(2 * over.len());
        for place in over {
            match place {
                Place::Part(part) => {
                    self.parts[part].keys = true;
                    items.extend([Place::Item(part), Place::Entry(part)]);
                }
                // An error that shows the entry.
                other => self.all(other),
            }
        }
        let items = self.few(items);
        self.nodes(&each.otherwise);
        let var = each.var.text.as_str();
        self.enter("loop", Vec::new(), None);
        self.enter(var, items, None);
        self.nodes(&each.body);
        self.leave(var);
        self.leave("loop");
    }

    fn called(&mut self, called: &'a Macro) {
        called.params.iter().filter_map(|(_, default)| default.as_ref()).for_each(|e| self.whole(e));
        self.nodes(&called.body);
    }

    /// A name that has been set more than once, or is used where the value may be another, is not followed.
    fn settle(&mut self) {
        let mut sets: HashMap<&str, usize> = HashMap::new();
        let aliases = std::mem::take(&mut self.aliases);
        aliases.iter().for_each(|alias| *sets.entry(alias.name).or_default() += 1);
        for alias in aliases {
            let uses = self.uses.get(alias.name).copied().unwrap_or(0);
            if sets[alias.name] > 1 || uses != alias.uses {
                alias.places.into_iter().for_each(|place| self.all(place));
            }
        }
    }

    fn whole(&mut self, expr: &'a Expr) {
        self.places(expr).into_iter().for_each(|place| self.all(place));
    }

    fn wholes(&mut self, exprs: impl IntoIterator<Item = &'a Expr>) {
        exprs.into_iter().for_each(|expr| self.whole(expr));
    }

    /// Where the value of an expression may stem from; what it takes to find it is read.
    fn places(&mut self, expr: &'a Expr) -> Vec<Place> {
        match expr {
            Expr::Const(_) | Expr::Parent(..) => {}
            Expr::Var(var) => return self.variable(&var.name.text),
            Expr::Path(path) => return self.path(path),
            Expr::PathMacro(path) => return self.path_macro(path),
            Expr::Index(index) => {
                let base = self.places(&index.0);
                if matches!(index.1, Expr::Const(Value::Long(_))) {
                    return self.each(base, Self::numbered);
                }
                self.whole(&index.1);
                base.into_iter().for_each(|place| self.all(place));
            }
            Expr::Method(method) => {
                let base = self.places(&method.base);
                self.wholes(&method.args.positional);
                return self.each(base, |this, place, found| this.method(place, &method.name, found));
            }
            Expr::Ternary(ternary) => {
                self.whole(&ternary.0);
                let mut either = self.places(&ternary.1);
                either.extend(self.places(&ternary.2));
                return self.few(either);
            }
            Expr::Filter(call) => self.filter(call),
            Expr::Test(test) => {
                self.wholes(&test.args);
                for place in self.places(&test.input) {
                    match test.test {
                        Ok(Predicate::Null | Predicate::Defined | Predicate::Map | Predicate::Iterable) => {}
                        Ok(Predicate::Empty) => self.keys(place),
                        Ok(Predicate::Even | Predicate::Odd) | Err(_) => self.all(place),
                    }
                }
            }
            Expr::List(items) | Expr::Concat(items) => self.wholes(items),
            Expr::Map(entries) => self.wholes(entries.iter().flat_map(|(key, value)| [key, value])),
            Expr::Binary(binary) => self.wholes([&binary.left, &binary.right]),
            Expr::Unary(unary) => self.whole(&unary.1),
            Expr::Call(call) => {
                let bound = call.function.iter().filter_map(|(_, bound)| bound.as_ref().ok());
                self.wholes(bound.flatten().flatten());
                self.wholes(call.args.positional.iter().chain(call.args.named.iter().map(|(_, e)| e)));
            }
            Expr::Block(block) => self.whole(&block.0),
            Expr::Escape(escape) => self.whole(&escape.1),
            Expr::Body(nodes) => self.nodes(nodes),
        }
        Vec::new()
    }

    fn filter(&mut self, call: &'a FilterCall) {
        let name = call.filter.as_ref().map_or("", |filter| filter.name);
        self.wholes(call.args.iter().flatten().flatten());
        for place in self.places(&call.input) {
            if name == "length" { self.keys(place) } else { self.all(place) }
        }
        // They change a list in place, which shows wherever else the context holds it.
        if matches!(name, "sort" | "rsort" | "reverse") {
            self.all(Place::Part(ROOT));
        }
    }

    fn variable(&mut self, name: &'a str) -> Vec<Place> {
        *self.uses.entry(name).or_default() += 1;
        if name == "_context" {
            self.all(Place::Part(ROOT));
            return Vec::new();
        }
        let Some(local) = self.locals.get(name).and_then(|all| all.last()) else {
            return if self.in_macro { Vec::new() } else { vec![Place::Part(self.named(ROOT, name))] };
        };
        if let Some(set) = local.set {
            self.aliases[set].uses += 1;
        }
        let places = local.places.clone();
        let part = |place| if let Place::Item(list) = place { Place::Part(self.items(list)) } else { place };
        places.into_iter().map(part).collect()
    }

    fn path(&mut self, path: &'a Path) -> Vec<Place> {
        let base = self.places(&path.base);
        path.segments
            .iter()
            .fold(base, |places, one| self.each(places, |this, place, found| this.attribute(place, &one.name, found)))
    }

    fn path_macro(&mut self, path: &'a PathMacro) -> Vec<Place> {
        let mut places = self.variable(&path.root.name.text);
        for (i, step) in path.rest.iter().enumerate() {
            places = match step {
                // Without case any key may be meant.
                Step::Name(_) if path.headers_from.is_some_and(|from| i >= from) => {
                    places.into_iter().for_each(|place| self.all(place));
                    return Vec::new();
                }
                Step::Name(name) => self.each(places, |this, place, found| this.attribute(place, name, found)),
                Step::Index(_) => self.each(places, Self::numbered),
            };
        }
        places
    }

    fn each(&mut self, places: Vec<Place>, mut step: impl FnMut(&mut Self, Place, &mut Vec<Place>)) -> Vec<Place> {
        let mut found = Vec::with_capacity(places.len());
        places.into_iter().for_each(|place| step(self, place, &mut found));
        self.few(found)
    }

    /// See `operators::attribute`: of a list or an entry, a name may be an index or a method without arguments.
    fn attribute(&mut self, place: Place, name: &str, found: &mut Vec<Place>) {
        if means(name, "toString") || means(name, "hashCode") {
            self.all(place);
        } else if means(name, "size") || means(name, "isEmpty") {
            self.keys(place);
        }
        match place {
            Place::Part(part) => {
                found.push(Place::Part(self.named(part, name)));
                if crate::java::parse_long(name).is_some() {
                    self.keys(place);
                    found.push(Place::Part(self.items(part)));
                }
            }
            Place::Entry(map) if means(name, "getValue") => found.push(Place::Part(self.values(map))),
            Place::Entry(_) => {}
            Place::Item(_) => self.all(place),
        }
    }

    /// `a[1]`
    fn numbered(&mut self, place: Place, found: &mut Vec<Place>) {
        if let Place::Part(part) = place {
            self.keys(place);
            found.extend([Place::Part(self.items(part)), Place::Part(self.values(part))]);
        }
    }

    /// See `operators::method`.
    fn method(&mut self, place: Place, name: &str, found: &mut Vec<Place>) {
        match (name, place) {
            ("getKey", _) | ("getValue", Place::Part(_)) => {}
            ("getValue", _) => self.attribute(place, name, found),
            ("size" | "isEmpty" | "containsKey", _) => self.keys(place),
            _ => self.all(place),
        }
    }

    /// Each place once; too many are read as a whole.
    fn few(&mut self, mut places: Vec<Place>) -> Vec<Place> {
        places.sort_unstable();
        places.dedup();
        if places.len() > PLACES_MAX {
            places.drain(..).for_each(|place| self.all(place));
        }
        places
    }

    fn all(&mut self, place: Place) {
        let part = match place {
            Place::Part(part) => part,
            Place::Item(list) => self.items(list),
            Place::Entry(map) => self.values(map),
        };
        self.parts[part].whole = true;
    }

    fn keys(&mut self, place: Place) {
        match place {
            Place::Part(part) => self.parts[part].keys = true,
            // An entry has none.
            Place::Entry(_) => {}
            Place::Item(_) => self.all(place),
        }
    }

    fn named(&mut self, part: usize, name: &str) -> usize {
        let known = self.parts[part].named.get(name).copied();
        self.child(part, known, |parent, new| {
            parent.named.insert(name.into(), new);
        })
    }

    fn items(&mut self, part: usize) -> usize {
        self.child(part, self.parts[part].items, |parent, new| parent.items = Some(new))
    }

    fn values(&mut self, part: usize) -> usize {
        self.child(part, self.parts[part].values, |parent, new| parent.values = Some(new))
    }

    /// A part of a part; all that is read as a whole is one part.
    fn child(&mut self, part: usize, known: Option<usize>, add: impl FnOnce(&mut Part, usize)) -> usize {
        let new = self.parts.len();
        let parent = &mut self.parts[part];
        parent.whole |= parent.depth >= DEPTH_MAX;
        if parent.whole {
            return part;
        }
        if let Some(known) = known {
            return known;
        }
        let depth = parent.depth + 1;
        add(parent, new);
        self.parts.push(Part { depth, ..Part::default() });
        new
    }

    fn reads_of(&self, part: usize) -> Reads {
        let part = &self.parts[part];
        if part.whole {
            return Reads::Whole;
        }
        Reads::Parts(Box::new(Parts {
            keys: part.keys,
            named: part.named.iter().map(|(name, child)| (name.clone(), self.reads_of(*child))).collect(),
            items: part.items.map(|child| self.reads_of(child)),
            values: part.values.map(|child| self.reads_of(child)),
        }))
    }
}
