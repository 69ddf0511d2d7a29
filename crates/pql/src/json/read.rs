//! JSON to tree.

use super::{OPERATORS, Scope, is_per_item};
use crate::ast::{
    Anchor, Arithmetic, Ast, Comparison, DEPTH_MAX, Direction, Expr, ExprKind as K, Generator, Ident, NODES_MAX, Step,
    Unit, Window,
};
use crate::check::nearest;
use crate::diagnostic::{Diagnostic, Diagnostics, Kind};
use crate::parser::parse;
use serde_json::{Map, Value as Json};

/// The tree of a document; its places are those of its text, `ast.to_string()`.
///
/// An error names the place in the document as a JSON pointer.
pub fn from_json(json: &Json) -> Result<Ast, Diagnostics> {
    let mut reader = Reader { scope: Scope::default(), path: Vec::new(), nodes: 0, depth: 0 };
    let root = reader.node(json).map_err(|fault| Diagnostics::new(vec![*fault]))?;
    // The parser decides about all limits, and gives places.
    let text = Ast { root }.to_string();
    parse(&text)
}

type Read<T> = Result<T, Box<Diagnostic>>;

struct Reader {
    scope: Scope,
    path: Vec<String>,
    nodes: usize,
    depth: usize,
}

const NODE_TYPES: &[&str] = &[
    "fnApply",
    "fieldLookup",
    "parameterReference",
    "literal",
    "variable",
    "item",
    "contextEntity",
    "relativeTime",
    "filter",
    "lambda",
    "arithmetic",
    "occurs",
    "let",
    "quantifier",
    "select",
    "aggregate",
    "array",
    "object",
    "chain",
];

impl Reader {
    fn fault<T>(&self, message: impl AsRef<str>) -> Read<T> {
        self.fault_of(Kind::Syntax, message)
    }

    fn fault_of<T>(&self, kind: Kind, message: impl AsRef<str>) -> Read<T> {
        let path: String = self.path.iter().map(|part| format!("/{part}")).collect();
        let at = if path.is_empty() { "at the top".into() } else { format!("at {path}") };
        Err(Box::new(Diagnostic::new(kind, 0..0, format!("{at}: {}", message.as_ref()))))
    }

    /// Reads a part and knows its place meanwhile.
    fn below<T>(&mut self, part: impl Into<String>, read: impl FnOnce(&mut Reader) -> Read<T>) -> Read<T> {
        self.path.push(part.into());
        let done = read(self)?;
        self.path.pop();
        Ok(done)
    }

    fn object<'j>(&self, json: &'j Json) -> Read<&'j Map<String, Json>> {
        match json.as_object() {
            Some(map) => Ok(map),
            None => self.fault(format!("a node is needed, given {}", described(json))),
        }
    }

    /// Refuses members that have no meaning.
    fn only(&self, map: &Map<String, Json>, known: &[&str]) -> Read<()> {
        match map.keys().find(|key| !known.contains(&key.as_str()) && *key != "nodeType") {
            None => Ok(()),
            Some(unknown) => self.fault(format!("the member `{unknown}` has no meaning here")),
        }
    }

    fn member<'j>(&self, map: &'j Map<String, Json>, name: &str) -> Read<&'j Json> {
        match map.get(name) {
            Some(value) => Ok(value),
            None => self.fault(format!("the member `{name}` is missing")),
        }
    }

    fn text<'j>(&self, map: &'j Map<String, Json>, name: &str) -> Read<&'j str> {
        match self.member(map, name)? {
            Json::String(text) => Ok(text),
            other => self.fault(format!("`{name}` is a string, given {}", described(other))),
        }
    }

    fn list<'j>(&self, map: &'j Map<String, Json>, name: &str) -> Read<&'j [Json]> {
        match self.member(map, name)? {
            Json::Array(items) => Ok(items),
            other => self.fault(format!("`{name}` is an array, given {}", described(other))),
        }
    }

    /// A name that can be written in a query.
    fn ident(&self, text: &str) -> Read<Ident> {
        if text.is_empty() || text.contains(['`', '\n']) {
            return self.fault(format!(
                "{text:?} is not a name: a name has characters, none of them a backquote or line break"
            ));
        }
        Ok(Ident { text: text.into(), span: 0..0 })
    }

    fn named(&self, map: &Map<String, Json>, name: &str) -> Read<Ident> {
        self.ident(self.text(map, name)?)
    }

    fn count(&mut self) -> Read<()> {
        self.nodes += 1;
        if self.nodes <= NODES_MAX {
            return Ok(());
        }
        self.fault_of(Kind::Limit, format!("a query has at most {NODES_MAX} nodes"))
    }

    fn node_at(&mut self, map: &Map<String, Json>, name: &str) -> Read<Expr> {
        let json = self.member(map, name)?;
        self.below(name, |r| r.node(json))
    }

    fn node(&mut self, json: &Json) -> Read<Expr> {
        self.depth += 1;
        if self.depth > DEPTH_MAX {
            return self.fault_of(Kind::Limit, format!("a query nests at most {DEPTH_MAX} levels deep"));
        }
        self.count()?;
        let map = self.object(json)?;
        let of = self.text(map, "nodeType")?;
        let kind = self.kind(of, map)?;
        self.depth -= 1;
        Ok(Expr::new(kind, 0..0))
    }

    fn boxed(&mut self, map: &Map<String, Json>, name: &str) -> Read<Box<Expr>> {
        self.node_at(map, name).map(Box::new)
    }

    fn kind(&mut self, of: &str, map: &Map<String, Json>) -> Read<K> {
        let Some(known) = members(of) else {
            let near = nearest(of, NODE_TYPES.iter().copied());
            let list = || format!("there are {}", NODE_TYPES.join(", "));
            let hint = near.map_or_else(list, |near| format!("did you mean `{near}`?"));
            return self.fault(format!("there is no nodeType `{of}`; {hint}"));
        };
        self.only(map, known)?;
        match of {
            "fnApply" => self.apply(map),
            "fieldLookup" => self.lookup(map),
            "parameterReference" => self.position(map).map(|(n, _)| K::Position(n)),
            "literal" => self.literal(map),
            "variable" => self.variable(map),
            "item" => self.fault("an item alone has no text; look up one of its fields"),
            "contextEntity" => match self.text(map, "value")? {
                text if text.is_empty() || text.contains(['}', '\n']) => {
                    self.fault("`value` is no name of a context entity")
                }
                text => Ok(K::Context(text.into())),
            },
            "relativeTime" => self.relative(map),
            "filter" => {
                let of = self.boxed(map, "array")?;
                let condition = self.of_item(|r| r.boxed(map, "condition"))?;
                Ok(K::Filter { of, condition })
            }
            "lambda" => self.lambda(map),
            "arithmetic" => self.arithmetic(map),
            "occurs" => {
                let time = self.boxed(map, "time")?;
                Ok(K::Occurs { time, window: self.window_at(map, "window")? })
            }
            "let" => {
                let (name, value) = (self.named(map, "name")?, self.boxed(map, "value")?);
                let body = self.with(&[&name], |r| r.boxed(map, "body"))?;
                Ok(K::Let { name, value, body })
            }
            "quantifier" => self.quantifier(map),
            "select" => {
                let known = self.scope.variables.len();
                let generator = self.generator_at(map)?;
                self.scope.variables.truncate(known);
                Ok(K::Select(Box::new(generator)))
            }
            "aggregate" => self.aggregate(map),
            "array" => Ok(K::Array(self.nodes(map, "items")?)),
            "object" => self.fields(map),
            _ => self.chain(map),
        }
    }

    fn nodes(&mut self, map: &Map<String, Json>, name: &str) -> Read<Vec<Expr>> {
        let list = self.list(map, name)?;
        self.each(name, list, |r, json| r.node(json))
    }

    fn each<T>(
        &mut self,
        name: &str,
        list: &[Json],
        mut read: impl FnMut(&mut Reader, &Json) -> Read<T>,
    ) -> Read<Vec<T>> {
        if list.len() > NODES_MAX {
            return self.fault_of(Kind::Limit, format!("`{name}` has more than {NODES_MAX} items"));
        }
        let items = list.iter().enumerate();
        self.below(name, |r| items.map(|(at, json)| r.below(at.to_string(), |r| read(r, json))).collect())
    }

    fn of_item<T>(&mut self, read: impl FnOnce(&mut Reader) -> Read<T>) -> Read<T> {
        self.scope.items += 1;
        let done = read(self)?;
        self.scope.items -= 1;
        Ok(done)
    }

    fn with<T>(&mut self, names: &[&Ident], read: impl FnOnce(&mut Reader) -> Read<T>) -> Read<T> {
        let known = self.scope.variables.len();
        self.scope.variables.extend(names.iter().map(|name| name.text.to_string()));
        let done = read(self)?;
        self.scope.variables.truncate(known);
        Ok(done)
    }

    fn position(&self, map: &Map<String, Json>) -> Read<(u32, bool)> {
        let explicit = match map.get("explicit") {
            None | Some(Json::Bool(false)) => false,
            Some(Json::Bool(true)) => true,
            Some(other) => return self.fault(format!("`explicit` is a boolean, given {}", described(other))),
        };
        match self.member(map, "position")?.as_u64().and_then(|n| u32::try_from(n).ok()).filter(|n| *n > 0) {
            Some(position) => Ok((position, explicit)),
            None => self.fault("`position` is a whole number from 1"),
        }
    }

    fn variable(&self, map: &Map<String, Json>) -> Read<K> {
        let name = self.named(map, "name")?;
        if self.scope.is_variable(&name.text) {
            return Ok(K::Name(name.text));
        }
        self.fault_of(Kind::Scope, format!("there is no variable `{}` here", name.text))
    }

    fn relative(&self, map: &Map<String, Json>) -> Read<K> {
        Ok(match self.text(map, "value")? {
            "now" => K::Now,
            "yesterday" => K::Day(-1),
            "today" => K::Day(0),
            "tomorrow" => K::Day(1),
            other => return self.fault(format!("`{other}` is not now, yesterday, today or tomorrow")),
        })
    }

    fn literal(&mut self, map: &Map<String, Json>) -> Read<K> {
        let value = self.member(map, "value")?;
        let of = self.text(map, "literalType")?;
        let wrong = |r: &Reader| r.fault(format!("a literal of type {of} can not have the value {}", shown(value)));
        Ok(match (of, value) {
            ("String" | "Timestamp", Json::String(text)) => K::Text(text.as_str().into()),
            ("Boolean", Json::Bool(b)) => K::Bool(*b),
            ("Null", Json::Null) => K::Null,
            ("Integer" | "Double", Json::Number(n)) => match (of, n.as_i64(), n.as_f64()) {
                ("Integer", Some(n), _) => whole(n),
                ("Double", _, Some(n)) => double(n),
                _ => return wrong(self),
            },
            ("List", Json::Array(values)) => {
                let items = self.each("value", values, |r, json| {
                    r.count()?;
                    Ok(Expr::new(
                        match json {
                            Json::Null => K::Null,
                            Json::Bool(b) => K::Bool(*b),
                            Json::String(text) => K::Text(text.as_str().into()),
                            Json::Number(n) => match (n.as_i64(), n.as_f64()) {
                                (Some(n), _) => whole(n),
                                (None, Some(n)) => double(n),
                                _ => return r.fault("this number has no value"),
                            },
                            other => return r.fault(format!("a List holds plain values, given {}", described(other))),
                        },
                        0..0,
                    ))
                })?;
                K::Array(items)
            }
            ("XDMObject", Json::String(text)) if text == "profile" => K::Position(1),
            ("String" | "Timestamp" | "Boolean" | "Null" | "Integer" | "Double" | "List" | "XDMObject", _) => {
                return wrong(self);
            }
            (other, _) => return self.fault(format!("there is no literalType `{other}`")),
        })
    }

    /// A path of fields, down to what it begins with.
    fn lookup(&mut self, map: &Map<String, Json>) -> Read<K> {
        let depth = self.path.len();
        let mut names = vec![self.named(map, "fieldName")?];
        let mut object = self.member(map, "object")?;
        self.path.push("object".into());
        while let Some(next) = object.as_object().filter(|map| map.get("nodeType").is_some_and(|t| t == "fieldLookup"))
        {
            self.only(next, &["fieldName", "object"])?;
            self.count()?;
            names.push(self.named(next, "fieldName")?);
            object = self.member(next, "object")?;
            self.path.push("object".into());
        }
        names.reverse();
        let base = self.base(object, &mut names)?;
        self.path.truncate(depth);
        if names.is_empty() { Ok(base) } else { Ok(K::Member { of: Box::new(Expr::new(base, 0..0)), names }) }
    }

    /// What a path begins with; it may take the first of the names.
    fn base(&mut self, object: &Json, names: &mut Vec<Ident>) -> Read<K> {
        let map = self.object(object)?;
        let first = names[0].clone();
        let hidden = self.scope.is_variable(&first.text);
        match map.get("nodeType").and_then(Json::as_str) {
            Some("parameterReference") => {
                self.only(map, &["position", "explicit"])?;
                let (position, explicit) = self.position(map)?;
                let bare = position == 1 && !explicit && !hidden && (self.scope.items == 0 || first.text == "xEvent");
                if !bare {
                    return Ok(K::Position(position));
                }
                names.remove(0);
                Ok(K::Name(first.text))
            }
            Some("item") => {
                self.only(map, &["level"])?;
                let level = match map.get("level") {
                    None => 0,
                    Some(level) => match level.as_u64().filter(|n| *n <= DEPTH_MAX as u64) {
                        Some(level) => level as usize,
                        None => return self.fault("`level` is a whole number of item scopes"),
                    },
                };
                if self.scope.items == 0 && level == 0 {
                    return self.fault_of(Kind::Scope, "there is no item here");
                }
                names.remove(0);
                if level > 0 {
                    return Ok(K::Up { levels: level, name: first });
                }
                if hidden || first.text == "xEvent" {
                    return self.fault_of(
                        Kind::Scope,
                        format!("`{}` of an item is hidden by another meaning here", first.text),
                    );
                }
                Ok(K::Name(first.text))
            }
            _ => self.node(object).map(|expr| expr.kind),
        }
    }

    fn apply(&mut self, map: &Map<String, Json>) -> Read<K> {
        let name = self.text(map, "fnName")?;
        let method = match map.get("style").map(|style| style.as_str()) {
            None => None,
            Some(Some("method")) => Some(true),
            Some(Some("prefix")) => Some(false),
            Some(_) => return self.fault("`style` is `method` or `prefix`"),
        };
        if method.is_none() && OPERATORS.contains(&name) {
            return self.operator(name, map);
        }
        if method.is_none() && ["exists", "forall"].contains(&name) {
            return self.quantified(name == "forall", map);
        }
        let ident = self.ident(name)?;
        let list = self.list(map, "params")?;
        let mut at = 0;
        let args = self.each("params", list, |r, json| {
            let is_lambda = json.get("nodeType").is_some_and(|of| of == "lambda");
            let of_item = is_per_item(name, at) && !is_lambda;
            at += 1;
            if of_item { r.of_item(|r| r.node(json)) } else { r.node(json) }
        })?;
        if method == Some(true) && args.is_empty() {
            return self.fault("a method has its receiver as first of `params`");
        }
        Ok(K::Call { name: ident, args, method: method.unwrap_or(false) })
    }

    /// A quantifier as a function of an array and a lambda.
    fn quantified(&mut self, all: bool, map: &Map<String, Json>) -> Read<K> {
        let mut params = self.nodes(map, "params")?.into_iter();
        let (Some(source), Some(Expr { kind: K::Lambda { params: mut names, body }, .. }), None) =
            (params.next(), params.next(), params.next())
        else {
            return self.fault_of(Kind::Arity, "`params` of a quantifier are an array and a lambda");
        };
        let (Some(variable), true) = (names.pop(), names.is_empty()) else {
            return self.fault_of(Kind::Arity, "the lambda of a quantifier has one parameter");
        };
        let generator = Generator { variable, source, filter: None, condition: Some(*body) };
        Ok(K::Quantifier { all, generators: vec![generator] })
    }

    fn operator(&mut self, name: &str, map: &Map<String, Json>) -> Read<K> {
        let mut params = self.nodes(map, "params")?.into_iter();
        let given = params.len();
        let takes = match name {
            "not" => 1..=1,
            "-" => 1..=NODES_MAX,
            "and" | "or" | "+" | "*" | "/" | "%" => 2..=NODES_MAX,
            _ => 2..=2,
        };
        if !takes.contains(&given) {
            return self.fault_of(Kind::Arity, format!("`{name}` does not take {given} params"));
        }
        let mut next = || params.next().map(Box::new).unwrap_or_else(|| Box::new(Expr::new(K::Null, 0..0)));
        if let Some(op) = comparison(name) {
            return Ok(K::Compare { op, left: next(), right: next() });
        }
        Ok(match name {
            "not" => K::Not(next()),
            "-" if given == 1 => K::Negate(next()),
            "in" | "notIn" => K::In { negated: name == "notIn", item: next(), list: next() },
            "like" => K::Like { text: next(), pattern: next() },
            "and" => K::And(params.collect()),
            "or" => K::Or(params.collect()),
            _ => {
                let first = next();
                let op = arithmetic(name).unwrap_or(Arithmetic::Add);
                K::Arithmetic { first, rest: params.map(|operand| (op, operand)).collect() }
            }
        })
    }

    fn arithmetic(&mut self, map: &Map<String, Json>) -> Read<K> {
        let first = self.boxed(map, "first")?;
        let list = self.list(map, "rest")?;
        let rest = self.each("rest", list, |r, json| {
            let map = r.object(json)?;
            r.only(map, &["operator", "operand"])?;
            match arithmetic(r.text(map, "operator")?) {
                Some(op) => Ok((op, r.node_at(map, "operand")?)),
                None => r.fault("`operator` is one of + - * / %"),
            }
        })?;
        let sum = |op: &Arithmetic| matches!(op, Arithmetic::Add | Arithmetic::Subtract);
        let Some((op, _)) = rest.first() else { return self.fault("`rest` is empty") };
        if rest.iter().any(|(other, _)| sum(other) != sum(op)) {
            return self.fault("`rest` mixes operators of two levels; nest them");
        }
        Ok(K::Arithmetic { first, rest })
    }

    fn lambda(&mut self, map: &Map<String, Json>) -> Read<K> {
        let list = self.list(map, "parameters")?;
        let params = self.each("parameters", list, |r, json| match json {
            Json::String(name) => r.ident(name),
            other => r.fault(format!("a parameter is a name, given {}", described(other))),
        })?;
        if params.is_empty() {
            return self.fault("a lambda has a parameter");
        }
        let body = self.with(&params.iter().collect::<Vec<_>>(), |r| r.boxed(map, "body"))?;
        Ok(K::Lambda { params, body })
    }

    fn fields(&mut self, map: &Map<String, Json>) -> Read<K> {
        let list = self.list(map, "fields")?;
        let fields = self.each("fields", list, |r, json| {
            let map = r.object(json)?;
            r.only(map, &["name", "value"])?;
            let name = Ident { text: r.text(map, "name")?.into(), span: 0..0 };
            Ok((name, r.node_at(map, "value")?))
        })?;
        Ok(K::Object(fields))
    }

    fn quantifier(&mut self, map: &Map<String, Json>) -> Read<K> {
        let all = match self.text(map, "kind")? {
            "exists" => false,
            "forall" => true,
            other => return self.fault(format!("`kind` is exists or forall, given `{other}`")),
        };
        let known = self.scope.variables.len();
        let list = self.list(map, "generators")?;
        let generators = self.each("generators", list, Reader::generator)?;
        self.scope.variables.truncate(known);
        if generators.is_empty() { self.fault("`generators` is empty") } else { Ok(K::Quantifier { all, generators }) }
    }

    fn aggregate(&mut self, map: &Map<String, Json>) -> Read<K> {
        let fold = self.named(map, "fnName")?;
        if !["sum", "count", "average", "min", "max"].contains(&fold.text.as_str()) {
            return self.fault(format!("`fnName` is sum, count, average, min or max, given `{}`", fold.text));
        }
        let known = self.scope.variables.len();
        let generator = Box::new(self.generator_at(map)?);
        let value = self.boxed(map, "value")?;
        self.scope.variables.truncate(known);
        Ok(K::Fold { fold, value, generator })
    }

    fn generator_at(&mut self, map: &Map<String, Json>) -> Read<Generator> {
        let json = self.member(map, "generator")?;
        self.below("generator", |r| r.generator(json))
    }

    /// A generator; its variable stays known.
    fn generator(&mut self, json: &Json) -> Read<Generator> {
        let map = self.object(json)?;
        self.only(map, &["variable", "source", "where", "condition"])?;
        let variable = self.named(map, "variable")?;
        let source = self.node_at(map, "source")?;
        self.scope.variables.push(variable.text.to_string());
        let mut part = |name: &str| match map.get(name) {
            Some(json) => self.below(name, |r| r.node(json)).map(Some),
            None => Ok(None),
        };
        Ok(Generator { variable, source, filter: part("where")?, condition: part("condition")? })
    }

    fn chain(&mut self, map: &Map<String, Json>) -> Read<K> {
        let items = self.boxed(map, "items")?;
        let time = self.of_item(|r| r.boxed(map, "time"))?;
        let known = self.scope.variables.len();
        let list = self.list(map, "steps")?;
        let steps = self.each("steps", list, |r, json| {
            let map = r.object(json)?;
            r.only(map, &["id", "what", "when"])?;
            let name = r.named(map, "id")?;
            let (what, when) = r.of_item(|r| {
                let what = r.node_at(map, "what")?;
                let when = if map.contains_key("when") { Some(r.window_at(map, "when")?) } else { None };
                Ok((what, when))
            })?;
            r.scope.variables.push(name.text.to_string());
            Ok(Step { name, what, when })
        })?;
        self.scope.variables.truncate(known);
        if steps.is_empty() { self.fault("`steps` is empty") } else { Ok(K::Chain { items, time, steps }) }
    }

    fn window_at(&mut self, map: &Map<String, Json>, name: &str) -> Read<Window> {
        let json = self.member(map, name)?;
        self.below(name, |r| r.window(json))
    }

    fn window(&mut self, json: &Json) -> Read<Window> {
        let map = self.object(json)?;
        let of = self.text(map, "windowType")?;
        let known: &[&str] = match of {
            "distance" => &["windowType", "operator", "count", "unit", "direction", "anchor"],
            "side" => &["windowType", "direction", "anchor"],
            "on" => &["windowType", "anchor"],
            "between" => &["windowType", "from", "to"],
            other => {
                return self.fault(format!("there is no windowType `{other}`; there are distance, side, on, between"));
            }
        };
        self.only(map, known)?;
        Ok(match of {
            "distance" => {
                let Some(op) = comparison(self.text(map, "operator")?) else {
                    return self.fault("`operator` is a comparison");
                };
                let Some(count) = self.member(map, "count")?.as_i64().filter(|n| *n >= 0) else {
                    return self.fault_of(Kind::Constant, "`count` is a whole number from 0");
                };
                let (unit, direction) = (self.unit(map)?, self.direction(map)?);
                Window::Distance { op, count, unit, direction, anchor: self.anchor(map, "anchor")? }
            }
            "side" => Window::Side(self.direction(map)?, self.anchor(map, "anchor")?),
            "on" => Window::On(self.anchor(map, "anchor")?),
            _ => Window::Between(self.anchor(map, "from")?, self.anchor(map, "to")?),
        })
    }

    fn unit(&self, map: &Map<String, Json>) -> Read<Unit> {
        let word = self.text(map, "unit")?;
        match Unit::from_word(word) {
            Some(unit) => Ok(unit),
            None => self.fault_of(Kind::UnknownUnit, format!("`{word}` is not a unit of time")),
        }
    }

    fn direction(&self, map: &Map<String, Json>) -> Read<Direction> {
        match self.text(map, "direction")? {
            "before" => Ok(Direction::Before),
            "after" => Ok(Direction::After),
            other => self.fault(format!("`direction` is before or after, given `{other}`")),
        }
    }

    fn anchor(&mut self, map: &Map<String, Json>, name: &str) -> Read<Anchor> {
        let json = self.member(map, name)?;
        self.below(name, |r| {
            let Some(map) = json.as_object().filter(|map| map.get("nodeType").is_some_and(|of| of == "period")) else {
                return r.node(json).map(|expr| Anchor::At(Box::new(expr)));
            };
            r.only(map, &["which", "unit"])?;
            let which = r.text(map, "which")?;
            match ["last", "this", "next"].into_iter().position(|word| word == which) {
                Some(at) => Ok(Anchor::Period(at as i64 - 1, r.unit(map)?)),
                None => r.fault(format!("`which` is last, this or next, given `{which}`")),
            }
        })
    }
}

/// The members of a node beside its type; `None` if there is no such node.
fn members(of: &str) -> Option<&'static [&'static str]> {
    Some(match of {
        "fnApply" => &["fnName", "params", "style"],
        "fieldLookup" => &["fieldName", "object"],
        "parameterReference" => &["position", "explicit"],
        "literal" => &["literalType", "value"],
        "variable" => &["name"],
        "item" => &["level"],
        "contextEntity" | "relativeTime" => &["value"],
        "filter" => &["array", "condition"],
        "lambda" => &["parameters", "body"],
        "arithmetic" => &["first", "rest"],
        "occurs" => &["time", "window"],
        "let" => &["name", "value", "body"],
        "quantifier" => &["kind", "generators"],
        "select" => &["generator"],
        "aggregate" => &["fnName", "value", "generator"],
        "array" => &["items"],
        "object" => &["fields"],
        "chain" => &["items", "time", "steps"],
        _ => return None,
    })
}

/// A whole number; the minus is an operator.
fn whole(n: i64) -> K {
    match (n < 0, n.checked_neg()) {
        (false, _) => K::Int(n),
        (true, Some(positive)) => K::Negate(Box::new(Expr::new(K::Int(positive), 0..0))),
        (true, None) => double(n as f64),
    }
}

fn double(n: f64) -> K {
    if n.is_sign_negative() { K::Negate(Box::new(Expr::new(K::Double(-n), 0..0))) } else { K::Double(n) }
}

fn comparison(sign: &str) -> Option<Comparison> {
    use Comparison::{Equal, Greater, GreaterEqual, Less, LessEqual, NotEqual};
    [Equal, NotEqual, Less, LessEqual, Greater, GreaterEqual].into_iter().find(|op| op.text() == sign)
}

fn arithmetic(sign: &str) -> Option<Arithmetic> {
    use Arithmetic::{Add, Divide, Multiply, Remainder, Subtract};
    [Add, Subtract, Multiply, Divide, Remainder].into_iter().find(|op| op.text() == sign)
}

/// A value as a message shows it.
fn shown(json: &Json) -> String {
    match json {
        Json::String(text) if text.chars().count() > 40 => format!("{:?}…", text.chars().take(40).collect::<String>()),
        Json::Array(_) | Json::Object(_) => described(json).to_owned(),
        scalar => scalar.to_string(),
    }
}

fn described(json: &Json) -> &'static str {
    match json {
        Json::Null => "null",
        Json::Bool(_) => "a boolean",
        Json::Number(_) => "a number",
        Json::String(_) => "a string",
        Json::Array(_) => "an array",
        Json::Object(_) => "an object",
    }
}
