//! Tree to JSON.

use super::{OPERATORS, Scope, is_per_item};
use crate::ast::{Anchor, Ast, Direction, Expr, ExprKind as K, Generator, Ident, Step, Window};
use serde_json::{Map, Value as Json, json};

/// The JSON form of a query.
pub fn to_json(ast: &Ast) -> Json {
    Scope::default().node(&ast.root)
}

impl Scope {
    fn node(&mut self, expr: &Expr) -> Json {
        match &expr.kind {
            K::Null | K::Bool(_) | K::Int(_) | K::Double(_) | K::Text(_) => literal(&expr.kind),
            K::Name(name) => self.name(name),
            K::Position(n) => json!({"nodeType": "parameterReference", "position": n, "explicit": true}),
            K::Context(text) => json!({"nodeType": "contextEntity", "value": text.as_str()}),
            K::Up { levels, name } => field(&name.text, json!({"nodeType": "item", "level": levels})),
            K::Now => relative("now"),
            K::Day(offset) => relative(["yesterday", "today", "tomorrow"][(offset + 1).clamp(0, 2) as usize]),
            K::Member { of, names } => names.iter().fold(self.node(of), |object, name| field(&name.text, object)),
            K::Call { name, args, method } => self.call(name, args, *method),
            K::Filter { of, condition } => {
                let array = self.node(of);
                json!({"nodeType": "filter", "array": array, "condition": self.of_item(condition)})
            }
            K::Lambda { params, body } => {
                let names: Vec<&str> = params.iter().map(|p| p.text.as_str()).collect();
                let body = self.with(&names, |scope| scope.node(body));
                json!({"nodeType": "lambda", "parameters": names, "body": body})
            }
            K::Not(of) => apply("not", vec![self.node(of)]),
            K::Negate(of) => apply("-", vec![self.node(of)]),
            K::Arithmetic { first, rest } => self.arithmetic(first, rest),
            K::Compare { op, left, right } => apply(op.text(), vec![self.node(left), self.node(right)]),
            K::In { negated, item, list } => {
                apply(if *negated { "notIn" } else { "in" }, vec![self.node(item), self.node(list)])
            }
            K::Like { text, pattern } => apply("like", vec![self.node(text), self.node(pattern)]),
            K::Occurs { time, window } => {
                let time = self.node(time);
                json!({"nodeType": "occurs", "time": time, "window": self.window(window)})
            }
            K::And(all) => apply("and", self.nodes(all)),
            K::Or(any) => apply("or", self.nodes(any)),
            K::Let { name, value, body } => {
                let value = self.node(value);
                let body = self.with(&[&name.text], |scope| scope.node(body));
                json!({"nodeType": "let", "name": name.text.as_str(), "value": value, "body": body})
            }
            K::Quantifier { all, generators } => {
                let known = self.variables.len();
                let generators: Vec<Json> = generators.iter().map(|g| self.generator(g)).collect();
                self.variables.truncate(known);
                json!({"nodeType": "quantifier", "kind": if *all { "forall" } else { "exists" }, "generators": generators})
            }
            K::Select(generator) => {
                let known = self.variables.len();
                let generator = self.generator(generator);
                self.variables.truncate(known);
                json!({"nodeType": "select", "generator": generator})
            }
            K::Fold { fold, value, generator } => {
                let known = self.variables.len();
                let generator = self.generator(generator);
                let value = self.node(value);
                self.variables.truncate(known);
                json!({"nodeType": "aggregate", "fnName": fold.text.as_str(), "value": value, "generator": generator})
            }
            K::Array(items) => self.array(items),
            K::Object(fields) => {
                let fields: Vec<Json> = fields
                    .iter()
                    .map(|(name, value)| json!({"name": name.text.as_str(), "value": self.node(value)}))
                    .collect();
                json!({"nodeType": "object", "fields": fields})
            }
            K::Chain { items, time, steps } => self.chain(items, time, steps),
        }
    }

    fn nodes(&mut self, all: &[Expr]) -> Vec<Json> {
        all.iter().map(|expr| self.node(expr)).collect()
    }

    /// A part where some more variables are known.
    fn with(&mut self, names: &[&str], part: impl FnOnce(&mut Scope) -> Json) -> Json {
        let known = self.variables.len();
        self.variables.extend(names.iter().map(|&name| name.to_owned()));
        let json = part(self);
        self.variables.truncate(known);
        json
    }

    /// A part that an item is the scope of.
    fn of_item(&mut self, expr: &Expr) -> Json {
        self.items += 1;
        let json = self.node(expr);
        self.items -= 1;
        json
    }

    fn name(&self, name: &str) -> Json {
        if self.is_variable(name) {
            return json!({"nodeType": "variable", "name": name});
        }
        match self.items {
            1.. if name != "xEvent" => field(name, json!({"nodeType": "item"})),
            _ => field(name, json!({"nodeType": "parameterReference", "position": 1})),
        }
    }

    fn call(&mut self, name: &Ident, args: &[Expr], method: bool) -> Json {
        let params: Vec<Json> = args
            .iter()
            .enumerate()
            .map(|(at, arg)| {
                let of_item = is_per_item(&name.text, at) && !matches!(arg.kind, K::Lambda { .. });
                if of_item { self.of_item(arg) } else { self.node(arg) }
            })
            .collect();
        let mut node = apply(&name.text, params);
        if method {
            node["style"] = "method".into();
        } else if OPERATORS.contains(&name.text.as_str()) {
            node["style"] = "prefix".into();
        }
        node
    }

    fn arithmetic(&mut self, first: &Expr, rest: &[(crate::ast::Arithmetic, Expr)]) -> Json {
        let op = rest.first().map_or("+", |(op, _)| op.text());
        let first = self.node(first);
        if rest.iter().all(|(other, _)| other.text() == op) {
            let rest = rest.iter().map(|(_, operand)| self.node(operand));
            return apply(op, std::iter::once(first).chain(rest.collect::<Vec<_>>()).collect());
        }
        let rest: Vec<Json> =
            rest.iter().map(|(op, operand)| json!({"operator": op.text(), "operand": self.node(operand)})).collect();
        json!({"nodeType": "arithmetic", "first": first, "rest": rest})
    }

    fn array(&mut self, items: &[Expr]) -> Json {
        let plain: Option<Vec<Json>> = items.iter().map(plain).collect();
        match plain {
            Some(values) => json!({"nodeType": "literal", "literalType": "List", "value": values}),
            None => json!({"nodeType": "array", "items": self.nodes(items)}),
        }
    }

    /// A generator; its variable stays known.
    fn generator(&mut self, generator: &Generator) -> Json {
        let source = self.node(&generator.source);
        self.variables.push(generator.variable.text.to_string());
        let mut json = json!({"variable": generator.variable.text.as_str(), "source": source});
        for (member, part) in [("where", &generator.filter), ("condition", &generator.condition)] {
            if let Some(part) = part {
                json[member] = self.node(part);
            }
        }
        json
    }

    fn chain(&mut self, items: &Expr, time: &Expr, steps: &[Step]) -> Json {
        let (items, time) = (self.node(items), self.of_item(time));
        let known = self.variables.len();
        let mut written = Vec::with_capacity(steps.len());
        for step in steps {
            self.items += 1;
            let mut json = json!({"id": step.name.text.as_str(), "what": self.node(&step.what)});
            if let Some(when) = &step.when {
                json["when"] = self.window(when);
            }
            self.items -= 1;
            self.variables.push(step.name.text.to_string());
            written.push(json);
        }
        self.variables.truncate(known);
        json!({"nodeType": "chain", "items": items, "time": time, "steps": written})
    }

    fn window(&mut self, window: &Window) -> Json {
        match window {
            Window::Distance { op, count, unit, direction, anchor } => json!({
                "windowType": "distance", "operator": op.text(), "count": count, "unit": unit.plural(),
                "direction": side(*direction), "anchor": self.anchor(anchor),
            }),
            Window::Side(direction, anchor) => {
                json!({"windowType": "side", "direction": side(*direction), "anchor": self.anchor(anchor)})
            }
            Window::On(anchor) => json!({"windowType": "on", "anchor": self.anchor(anchor)}),
            Window::Between(from, to) => {
                let from = self.anchor(from);
                json!({"windowType": "between", "from": from, "to": self.anchor(to)})
            }
        }
    }

    fn anchor(&mut self, anchor: &Anchor) -> Json {
        match anchor {
            Anchor::Period(offset, unit) => {
                let which = ["last", "this", "next"][(offset + 1).clamp(0, 2) as usize];
                json!({"nodeType": "period", "which": which, "unit": unit.plural()})
            }
            Anchor::At(expr) => self.node(expr),
        }
    }
}

fn apply(name: &str, params: Vec<Json>) -> Json {
    json!({"nodeType": "fnApply", "fnName": name, "params": params})
}

fn field(name: &str, object: Json) -> Json {
    // Moved in, not copied: a long path stays cheap.
    let mut node = Map::new();
    node.insert("nodeType".into(), "fieldLookup".into());
    node.insert("fieldName".into(), name.into());
    node.insert("object".into(), object);
    Json::Object(node)
}

fn relative(word: &str) -> Json {
    json!({"nodeType": "relativeTime", "value": word})
}

fn literal(kind: &K) -> Json {
    let (of, value) = match kind {
        K::Bool(b) => ("Boolean", json!(b)),
        K::Int(n) => ("Integer", json!(n)),
        K::Double(n) => ("Double", json!(n)),
        K::Text(text) => ("String", json!(text.as_str())),
        _ => ("Null", Json::Null),
    };
    json!({"nodeType": "literal", "literalType": of, "value": value})
}

/// The plain value of a literal in a list.
fn plain(expr: &Expr) -> Option<Json> {
    Some(match &expr.kind {
        K::Null => Json::Null,
        K::Bool(b) => json!(b),
        K::Int(n) => json!(n),
        K::Double(n) => json!(n),
        K::Text(text) => json!(text.as_str()),
        K::Negate(of) => match of.kind {
            K::Int(n @ 1..) => json!(-n),
            K::Double(n) if n > 0.0 => json!(-n),
            _ => return None,
        },
        _ => return None,
    })
}

fn side(direction: Direction) -> &'static str {
    if direction == Direction::Before { "before" } else { "after" }
}
