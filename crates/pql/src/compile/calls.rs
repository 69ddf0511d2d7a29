//! Calls of functions: arguments, and the forms that are built here (pql.md §9–§11).

use super::{Compiler, FAULTY, Typed};
use crate::ast::{Comparison, Expr, ExprKind, Ident};
use crate::check::{takes, wanted};
use crate::compile::scope::Bound;
use crate::diagnostic::Kind;
use crate::functions::{self, Code, Compares, Form, Function, Gives, pattern};
use crate::node::{Each, Fold, MapGroups, Node};
use crate::types::{self, Class, Ty, incomparable};
use model::Type;
use std::ops::Range;

impl Compiler {
    pub(super) fn call(&mut self, expr: &Expr, name: &Ident, args: &[Expr]) -> Typed {
        let Some(function) = functions::find(&name.text) else {
            return self.unknown_function(name);
        };
        if !self.arity(function, name, args.len()) {
            return FAULTY;
        }
        match function.code {
            Code::Plain(code) => self.plain(function, code, args, &expr.span),
            Code::Form(form) => self.form(form, function, args, &expr.span),
            Code::Refused(reason) => {
                self.fault(Kind::Unsupported, &expr.span, reason);
                FAULTY
            }
        }
    }

    fn arity(&mut self, function: &Function, name: &Ident, given: usize) -> bool {
        let most = if function.variadic { usize::MAX } else { function.params.len() };
        let required = function.required();
        if (required..=most).contains(&given) {
            return true;
        }
        let named = function.params.iter().enumerate();
        let names: Vec<String> =
            named.map(|(i, p)| if i < required { p.name.into() } else { format!("{}?", p.name) }).collect();
        let more = if function.variadic { ", …" } else { "" };
        let message = format!("`{}` does not take {given} argument{}", name.text, if given == 1 { "" } else { "s" });
        let hint = format!("it is `{}({}{more})`; the first can also stand before a dot", name.text, names.join(", "));
        self.fault(Kind::Arity, &name.span, message).hint = Some(hint);
        false
    }

    /// Evaluates to a value that the parameter takes.
    fn argument(&mut self, function: &Function, at: usize, expr: &Expr) -> Typed {
        let (node, ty) = self.lower(expr);
        let parameter = function.params[at.min(function.params.len() - 1)];
        if takes(parameter.takes, &ty) {
            let fault = match &expr.kind {
                ExprKind::Text(text) => functions::constant_fault(parameter.takes, text),
                _ => None,
            };
            let Some((kind, message)) = fault else { return (node, ty) };
            self.fault(kind, &expr.span, message);
            return FAULTY;
        }
        let (what, given) = (wanted(parameter.takes), ty.describe());
        let message = format!("`{}` of `{}` is {what}, this is {given}", parameter.name, function.name);
        self.fault(Kind::Type, &expr.span, message);
        FAULTY
    }

    fn plain(&mut self, function: &Function, code: functions::Plain, args: &[Expr], span: &Range<usize>) -> Typed {
        let mut lowered: Vec<Typed> = args.iter().enumerate().map(|(i, arg)| self.argument(function, i, arg)).collect();
        self.compared(function, &mut lowered, args);
        let first = lowered.first().map_or(Ty::ANY, |(_, ty)| ty.clone());
        let (nodes, _): (Vec<Node>, Vec<Ty>) = lowered.into_iter().unzip();
        self.time |= function.clock;
        self.ignores_year |= function.ignores_year;
        if function.name == "date" {
            return self.date(nodes, code, span);
        }
        (Node::Call { name: function.name, code, args: nodes.into() }, result(function.result, &first))
    }

    /// Refuses arguments that a function compares with each other, and that are never equal.
    fn compared(&mut self, function: &Function, lowered: &mut [Typed], args: &[Expr]) {
        let Some(((first, first_ty), others)) = lowered.split_first_mut() else { return };
        let Some((first_arg, other_args)) = args.split_first() else { return };
        // The last of more is the flag for case.
        let flag = match others {
            [_, .., (_, last)] => last.class() == Class::Boolean,
            _ => false,
        };
        let values = others.len() - usize::from(flag);
        match function.compares {
            Compares::Nothing => {}
            Compares::Values => {
                for ((node, ty), arg) in others.iter_mut().zip(other_args).take(values) {
                    if let Some(message) = incomparable(Comparison::Equal, first_ty, ty) {
                        self.fault(Kind::Type, &arg.span, message);
                    }
                    self.time_literals((first, first_ty, first_arg), (node, ty, arg));
                }
            }
            Compares::Items => {
                if let ([(node, ty)], [arg]) = (others, other_args) {
                    if let Some(message) = types::unlike_items(first_ty, ty) {
                        self.fault(Kind::Type, &arg.span, message);
                    }
                    self.time_literals((first, first_ty, first_arg), (node, ty, arg));
                }
            }
            Compares::ItemsWithValue => {
                if let ([(node, ty)], [arg]) = (others, other_args) {
                    self.can_hold((first, first_ty, first_arg), (node, ty, arg));
                }
            }
            Compares::ValueWithItems => {
                if let ([(node, ty)], [arg]) = (others, other_args) {
                    self.can_hold((node, ty, arg), (first, first_ty, first_arg));
                }
            }
        }
    }

    /// A constant day is made here, or refused.
    fn date(&mut self, nodes: Vec<Node>, code: functions::Plain, span: &Range<usize>) -> Typed {
        if let [Node::Int(year), Node::Int(month), Node::Int(day)] = nodes[..] {
            let text = format!("{year:04}-{month:02}-{day:02}");
            return match model::Timestamp::parse_date_or_time(&text) {
                Some(at) if year > 0 => (Node::Date(at.0), Ty::DATE),
                _ => {
                    self.fault(Kind::Constant, span, "the calendar has no such day");
                    FAULTY
                }
            };
        }
        (Node::Call { name: "date", code, args: nodes.into() }, Ty::DATE)
    }

    fn form(&mut self, form: Form, function: &Function, args: &[Expr], span: &Range<usize>) -> Typed {
        match form {
            Form::If => {
                let condition = self.condition(&args[0]);
                let (then, then_ty) = self.lower(&args[1]);
                let (otherwise, other_ty) = self.lower(&args[2]);
                if let Some(message) = types::unlike_branches(&then_ty, &other_ty) {
                    self.fault(Kind::Type, &args[2].span, message);
                }
                (Node::If(Box::new([condition, then, otherwise])), then_ty.or(&other_ty))
            }
            Form::Map => self.map(args),
            Form::Filter => {
                let (source, ty) = self.array_source(&args[0]);
                let (slot, body, _) = self.per_item(ty.item(), &args[1], true);
                (Node::Filter(Box::new(Each { source, slot, body })), Ty::array(ty.item()))
            }
            Form::TopN | Form::BottomN => {
                let (source, ty) = self.array_source(&args[0]);
                let (slot, body, _) = self.per_item(ty.item(), &args[1], false);
                let count = Box::new(self.argument(function, 2, &args[2]).0);
                let each = Box::new(Each { source, slot, body });
                (Node::Rank { each, descending: form == Form::TopN, count }, Ty::array(ty.item()))
            }
            Form::GroupBy => {
                let (source, ty) = self.array_source(&args[0]);
                let (slot, body, key) = self.per_item(ty.item(), &args[1], false);
                (Node::GroupBy(Box::new(Each { source, slot, body })), Ty::Groups(key.known(), ty.item()))
            }
            Form::Fold(fold) => self.fold(fold, function, args),
            Form::Like => self.like(&args[0], &args[1]),
            Form::Matches | Form::RegexGroup => self.regex(form, function, args),
            Form::InSegment => match &args[0].kind {
                ExprKind::Text(id) => (Node::InSegment(id.clone()), Ty::BOOLEAN),
                _ => {
                    let message = "`inSegment` takes the id of a segment as a string literal";
                    self.fault(Kind::Unsupported, &args[0].span, message);
                    FAULTY
                }
            },
            Form::MapEntry => {
                let fault = self.fault(Kind::Arity, span, "`mapEntry` is only the body of a map over groups");
                fault.hint = Some("write `.groupBy(key).map((K, G) => mapEntry(K, …))`".into());
                FAULTY
            }
        }
    }

    /// An expression for each item: a lambda, or else with the item as scope.
    fn per_item(&mut self, item: Type, arg: &Expr, condition: bool) -> (usize, Node, Ty) {
        let (slot, body) = match &arg.kind {
            ExprKind::Lambda { params, body } => {
                if params.len() > 1 {
                    self.fault(Kind::Arity, &params[1].span, "this lambda has one parameter, the item");
                }
                let slot = self.scope.slot();
                for param in params {
                    self.scope.bind(param.text.clone(), Bound::Slot(slot, item.clone()));
                }
                let lowered = self.body(body, condition);
                self.scope.unbind(params.len());
                (slot, lowered)
            }
            _ => {
                let slot = self.scope.enter(item);
                let lowered = self.body(arg, condition);
                self.scope.leave();
                (slot, lowered)
            }
        };
        (slot, body.0, body.1)
    }

    fn body(&mut self, body: &Expr, condition: bool) -> Typed {
        if condition { (self.condition(body), Ty::BOOLEAN) } else { self.lower(body) }
    }

    fn map(&mut self, args: &[Expr]) -> Typed {
        let (source, ty) = self.lower_any(&args[0]);
        if let Ty::Groups(key, item) = ty {
            return self.map_groups(source, key, item, &args[1]);
        }
        if !matches!(ty.class(), Class::Any | Class::Array) {
            self.fault(Kind::Type, &args[0].span, format!("items are taken from an array, this is {}", ty.describe()));
        }
        let item = ty.item();
        if let ExprKind::Name(name) = &args[1].kind
            && self.scope.variable(name).is_none()
            && types::member(&item, name).is_none_or(|ty| ty == Type::Any)
            && let Some(Function { name: function, code: Code::Plain(code), result: gives, .. }) =
                functions::find(name).filter(|f| f.required() == 1)
        {
            let slot = self.scope.slot();
            let body = Node::Call { name: function, code: *code, args: Box::new([Node::Slot(slot)]) };
            let each = Box::new(Each { source, slot, body });
            return (Node::MapNamed { each, name: name.clone() }, Ty::array(result(*gives, &Ty::Of(item)).known()));
        }
        let (slot, body, result) = self.per_item(item, &args[1], false);
        (Node::Map(Box::new(Each { source, slot, body })), Ty::array(result.known()))
    }

    fn map_groups(&mut self, source: Node, key: Type, item: Type, arg: &Expr) -> Typed {
        let entry = match &arg.kind {
            ExprKind::Lambda { params, body } => match (&params[..], &body.kind) {
                ([k, g], ExprKind::Call { name, args, .. }) if name.text == "mapEntry" && args.len() == 2 => {
                    Some((k, g, args))
                }
                _ => None,
            },
            _ => None,
        };
        let Some((k, g, args)) = entry else {
            let fault = match &arg.kind {
                // The rest is as it must be.
                ExprKind::Lambda { params, body } if params.len() == 2 => {
                    let message = "a lambda over groups gives `mapEntry(key, value)`";
                    self.fault(Kind::Type, &body.span, message)
                }
                _ => self.fault(Kind::Arity, &arg.span, "groups are mapped by a lambda of key and items"),
            };
            fault.hint = Some("write `.map((K, G) => mapEntry(K, …))`".into());
            return FAULTY;
        };
        let (key_slot, items_slot) = (self.scope.slot(), self.scope.slot());
        self.scope.bind(k.text.clone(), Bound::Slot(key_slot, key));
        self.scope.bind(g.text.clone(), Bound::Slot(items_slot, Ty::array(item).known()));
        let (key, _) = self.lower(&args[0]);
        let (value, ty) = self.lower(&args[1]);
        self.scope.unbind(2);
        let map = MapGroups { source, key_slot, items_slot, key, value };
        (Node::MapGroups(Box::new(map)), Ty::Of(Type::Map(ty.known().into())))
    }

    fn fold(&mut self, fold: Fold, function: &Function, args: &[Expr]) -> Typed {
        let (source, ty) = self.argument(function, 0, &args[0]);
        if fold == Fold::Count && !matches!(ty.class(), Class::Any | Class::Array | Class::Object) {
            self.fault(Kind::Type, &args[0].span, format!("items of an array are counted, this is {}", ty.describe()));
        }
        let source = Box::new(source);
        let Some(of) = args.get(1) else {
            let result = self.fold_type(fold, &Ty::Of(ty.item()), &args[0].span);
            return (Node::Fold { fold, source, value: None }, result);
        };
        let (slot, body, item) = self.per_item(ty.item(), of, false);
        let result = self.fold_type(fold, &item, &of.span);
        (Node::Fold { fold, source, value: Some(Box::new((slot, body))) }, result)
    }

    pub(super) fn like(&mut self, text: &Expr, pattern: &Expr) -> Typed {
        let function = functions::find("like").expect("`like` is a function");
        let (text, _) = self.argument(function, 0, text);
        let ExprKind::Text(literal) = &pattern.kind else {
            let args = Box::new([text, self.argument(function, 1, pattern).0]);
            return (Node::Call { name: "like", code: functions::like_of_data, args }, Ty::BOOLEAN);
        };
        match pattern::Like::new(literal) {
            Ok(like) => (Node::Like { text: Box::new(text), pattern: Box::new(like) }, Ty::BOOLEAN),
            Err(message) => {
                self.fault(Kind::Constant, &pattern.span, message);
                FAULTY
            }
        }
    }

    fn regex(&mut self, form: Form, function: &Function, args: &[Expr]) -> Typed {
        let (text, _) = self.argument(function, 0, &args[0]);
        let (pattern, _) = self.argument(function, 1, &args[1]);
        let group = match args.get(2) {
            Some(group) => self.argument(function, 2, group).0,
            None => Node::Int(1),
        };
        let regex = match &args[1].kind {
            ExprKind::Text(literal) => {
                let of = if form == Form::Matches { pattern::Use::Test } else { pattern::Use::Find };
                pattern::Regex::new(literal, of).ok().map(Box::new)
            }
            _ => None,
        };
        match (regex, form) {
            (Some(regex), Form::Matches) => (Node::Matches { text: Box::new(text), regex }, Ty::BOOLEAN),
            (Some(regex), _) => (Node::RegexGroup { text: Box::new(text), regex, group: Box::new(group) }, Ty::TEXT),
            (None, Form::Matches) => {
                let args = Box::new([text, pattern]);
                (Node::Call { name: "matches", code: functions::matches_of_data, args }, Ty::BOOLEAN)
            }
            (None, _) => {
                let args = Box::new([text, pattern, group]);
                (Node::Call { name: "regexGroup", code: functions::group_of_data, args }, Ty::TEXT)
            }
        }
    }
}

fn result(gives: Gives, first: &Ty) -> Ty {
    match gives {
        Gives::Boolean => Ty::BOOLEAN,
        Gives::Integer => Ty::INTEGER,
        Gives::Number => Ty::NUMBER,
        Gives::Text => Ty::TEXT,
        Gives::Date => Ty::DATE,
        Gives::Time => Ty::TIME,
        Gives::Texts => Ty::array(Type::String),
        Gives::First => first.clone(),
        Gives::Item => match first {
            Ty::Of(Type::Map(value)) => Ty::Of((**value).clone()),
            other => Ty::Of(other.item()),
        },
        Gives::Array => Ty::array(Type::Any),
        Gives::Values => match first {
            Ty::Of(Type::Map(value)) => Ty::array((**value).clone()),
            _ => Ty::array(Type::Any),
        },
        Gives::Depends => Ty::ANY,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::functions::Takes;

    #[test]
    fn only_forms_have_parameters_per_item() {
        for function in functions::functions() {
            let per_item = function.params.iter().any(|p| p.takes == Takes::PerItem);
            assert!(!per_item || matches!(function.code, Code::Form(_)), "{}", function.name);
        }
    }
}
