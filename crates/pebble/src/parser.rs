//! Tokens to tree: expressions.
//!
//! In: tokens. Out: checked, folded expressions. Always: recursion is bounded by `DEPTH_MAX`, so that neither
//! parsing nor rendering nor dropping a tree can exhaust the stack.

use crate::error::{Fault, Raised, Span, fault};
use crate::escape::Strategy;
use crate::filters::Run;
use crate::lexer::{Kind, Token};
use crate::template::Options;
use crate::tree::*;
use crate::value::Value;
use crate::{filters, functions, predicates};
use smol_str::SmolStr;
use std::collections::HashMap;
use std::sync::atomic::AtomicU32;

/// How deep expressions and tags may nest.
pub(crate) const DEPTH_MAX: usize = 120;

pub(crate) struct Parser<'s> {
    pub(crate) source: &'s str,
    pub(crate) tokens: Vec<Token>,
    pub(crate) at: usize,
    pub(crate) options: &'s Options,
    pub(crate) depth: usize,
    /// How prints are escaped here.
    pub(crate) escape: Option<Strategy>,
    /// Inside the bodies of `filter`, `cache` and `embed` nothing is escaped, whatever is said there, and no block or
    /// macro becomes known.
    pub(crate) hidden: bool,
    pub(crate) blocks: Blocks,
    /// Where the known blocks begin, as places in the tokens: of one name the last counts.
    pub(crate) begun: HashMap<SmolStr, usize>,
    pub(crate) block_stack: Vec<SmolStr>,
    pub(crate) macros: HashMap<SmolStr, Macro>,
    /// Prefixes of paths, by slot; only the first few are remembered.
    pub(crate) prefixes: Vec<Vec<SmolStr>>,
    /// Does a tag name another template?
    pub(crate) uses_others: bool,
}

/// What parsing an operator yields.
enum Infix {
    Plain(Op),
    Concat,
    Pipe,
    Is(bool),
}

fn infix(operator: &str) -> Option<(Infix, u16)> {
    let plain = |op, precedence| Some((Infix::Plain(op), precedence));
    match operator {
        ".." => plain(Op::Range, 120),
        "~" => Some((Infix::Concat, 110)),
        "|" => Some((Infix::Pipe, 100)),
        "*" => plain(Op::Multiply, 60),
        "/" => plain(Op::Divide, 60),
        "%" => plain(Op::Modulo, 60),
        "+" => plain(Op::Add, 40),
        "-" => plain(Op::Subtract, 40),
        "==" | "equals" => plain(Op::Equal, 30),
        "!=" => plain(Op::NotEqual, 30),
        "<" => plain(Op::Less, 30),
        ">" => plain(Op::Greater, 30),
        "<=" => plain(Op::LessEqual, 30),
        ">=" => plain(Op::GreaterEqual, 30),
        "is" => Some((Infix::Is(false), 20)),
        "is not" => Some((Infix::Is(true), 20)),
        "contains" => plain(Op::Contains, 20),
        "and" => plain(Op::And, 15),
        "or" => plain(Op::Or, 10),
        _ => None,
    }
}

const UNARY: u16 = 500;

impl Parser<'_> {
    pub(crate) fn kind(&self) -> &Kind {
        &self.tokens[self.at].kind
    }

    pub(crate) fn span(&self) -> Span {
        self.tokens[self.at].span
    }

    pub(crate) fn text(&self) -> &str {
        let span = self.span();
        &self.source[span.start as usize..span.end as usize]
    }

    pub(crate) fn advance(&mut self) {
        if self.at + 1 < self.tokens.len() {
            self.at += 1;
        }
    }

    pub(crate) fn is_punctuation(&self, sign: u8) -> bool {
        *self.kind() == Kind::Punctuation(sign)
    }

    pub(crate) fn take(&mut self, sign: u8) -> bool {
        let fits = self.is_punctuation(sign);
        if fits {
            self.advance();
        }
        fits
    }

    pub(crate) fn expect(&mut self, sign: u8) -> Raised<()> {
        if self.take(sign) { Ok(()) } else { Err(self.unexpected(&format!("`{}`", sign as char))) }
    }

    pub(crate) fn unexpected(&self, wanted: &str) -> Box<Fault> {
        let given = match self.kind() {
            Kind::PrintEnd | Kind::TagEnd | Kind::InterpolationEnd => format!("`{}` closes too early", self.text()),
            Kind::End => "the template ends".to_owned(),
            Kind::Text => "text is found".to_owned(),
            Kind::PrintStart | Kind::TagStart => format!("`{}` is found", self.text()),
            _ => format!("`{}` is found", crate::error::shorten(self.text())),
        };
        fault(format!("{wanted} expected, but {given}")).at(self.span())
    }

    pub(crate) fn name(&mut self, what: &str) -> Raised<SmolStr> {
        if *self.kind() != Kind::Name {
            return Err(self.unexpected(what));
        }
        let name = SmolStr::new(self.text());
        self.advance();
        Ok(name)
    }

    /// A name that is to be assigned to.
    pub(crate) fn new_name(&mut self) -> Raised<SmolStr> {
        let span = self.span();
        let name = self.name("a name")?;
        if matches!(name.as_str(), "true" | "false" | "null" | "none") {
            return Err(fault(format!("`{name}` cannot be assigned to")).at(span));
        }
        Ok(name)
    }

    pub(crate) fn deeper(&mut self) -> Raised<()> {
        self.depth += 1;
        if self.depth > DEPTH_MAX {
            return Err(fault(format!("nested more than {DEPTH_MAX} deep")).at(self.span()));
        }
        Ok(())
    }

    pub(crate) fn expression(&mut self) -> Raised<Expr> {
        self.expression_from(0)
    }

    fn expression_from(&mut self, precedence_min: u16) -> Raised<Expr> {
        self.deeper()?;
        let before = self.depth;
        let start = self.span();
        let mut left = self.operand()?;
        while let Kind::Operator(sign) = *self.kind() {
            let Some((infix, precedence)) = infix(sign).filter(|(_, p)| *p >= precedence_min) else { break };
            // A chain leans to the left: each link is one level of the tree.
            self.depth += usize::from(!matches!(infix, Infix::Concat));
            if self.depth > DEPTH_MAX * 2 {
                return Err(fault("this expression is too long").at(self.span()));
            }
            self.advance();
            left = self.infix(infix, precedence, left, start)?;
        }
        if precedence_min == 0 && self.take(b'?') {
            let yes = self.expression()?;
            self.expect(b':')?;
            let no = self.expression()?;
            left = Expr::Ternary(Box::new((left, yes, no, start)));
        }
        self.depth = before - 1;
        Ok(left)
    }

    fn infix(&mut self, infix: Infix, precedence: u16, left: Expr, start: Span) -> Raised<Expr> {
        match infix {
            Infix::Pipe => {
                let name_span = self.span();
                let name = self.name("the name of a filter")?;
                let args = if self.is_punctuation(b'(') { self.arguments()? } else { Args::default() };
                Ok(filter_call(&name, left, args, name_span, self.options))
            }
            Infix::Is(negated) => {
                let span = self.span();
                let name = self.name("the name of a test")?;
                let args = if self.is_punctuation(b'(') { self.arguments()?.positional } else { Vec::new() };
                let test = predicates::find(&name).ok_or(name);
                Ok(Expr::Test(Box::new(TestCall { test, negated, input: left, args, span: start.to(span) })))
            }
            Infix::Concat => {
                let right = self.expression_from(precedence + 1)?;
                Ok(concat(left, right))
            }
            Infix::Plain(op) => {
                let right = self.expression_from(precedence + 1)?;
                let span = start.to(self.tokens[self.at - 1].span);
                Ok(Expr::Binary(Box::new(Binary { op, left, right, span })))
            }
        }
    }

    fn operand(&mut self) -> Raised<Expr> {
        let span = self.span();
        match *self.kind() {
            Kind::Operator(sign @ ("not" | "+" | "-")) => {
                self.advance();
                let child = self.expression_from(UNARY)?;
                let sign = match sign {
                    "not" => Sign::Not,
                    "+" => Sign::Plus,
                    _ => Sign::Minus,
                };
                Ok(match (sign, child) {
                    (Sign::Minus, Expr::Const(Value::Long(v))) => Expr::Const(Value::Long(v.wrapping_neg())),
                    (Sign::Minus, Expr::Const(Value::Double(d))) => Expr::Const(Value::Double(-d)),
                    (sign, child) => Expr::Unary(Box::new((sign, child, span))),
                })
            }
            Kind::Punctuation(b'(') => {
                self.advance();
                let inner = self.expression()?;
                self.expect(b')')?;
                self.postfix(inner)
            }
            Kind::Punctuation(b'{') => self.map_literal().map(Expr::Map),
            Kind::Punctuation(b'[') => self.list_literal(),
            _ => {
                let value = self.simple(span)?;
                self.postfix(value)
            }
        }
    }

    fn simple(&mut self, span: Span) -> Raised<Expr> {
        match self.kind() {
            Kind::Name => {
                let name = self.name("a name")?;
                Ok(match name.as_str() {
                    "true" | "TRUE" => Expr::Const(Value::Bool(true)),
                    "false" | "FALSE" => Expr::Const(Value::Bool(false)),
                    "null" | "NULL" | "none" | "NONE" => Expr::Const(Value::Null),
                    _ if self.is_punctuation(b'(') => return self.call(name, span),
                    _ => variable(&name, span),
                })
            }
            Kind::Long => {
                let digits = self.text();
                let value = digits.parse().map_err(|_| fault("this number is past 2^63-1").at(span))?;
                self.advance();
                Ok(Expr::Const(Value::Long(value)))
            }
            Kind::Number => {
                let value = self.text().parse().map_err(|_| fault("not a number").at(span))?;
                self.advance();
                Ok(Expr::Const(Value::Double(value)))
            }
            Kind::Str(_) | Kind::InterpolationStart => self.string(),
            _ => Err(self.unexpected("a value")),
        }
    }

    /// Strings and interpolations joined; two strings never stand side by side.
    fn string(&mut self) -> Raised<Expr> {
        let mut parts = Vec::new();
        let mut after_string = false;
        loop {
            match self.kind() {
                Kind::Str(text) if !after_string => {
                    parts.push(Expr::Const(Value::Str(text.into())));
                    self.advance();
                    after_string = true;
                }
                Kind::InterpolationStart => {
                    self.advance();
                    let inner = self.expression()?;
                    if *self.kind() != Kind::InterpolationEnd {
                        return Err(self.unexpected("`}`"));
                    }
                    self.advance();
                    parts.push(inner);
                    after_string = false;
                }
                _ => break,
            }
        }
        Ok(if parts.len() == 1 { parts.swap_remove(0) } else { Expr::Concat(parts) })
    }

    fn call(&mut self, name: SmolStr, span: Span) -> Raised<Expr> {
        let args = self.arguments()?;
        match name.as_str() {
            "parent" => return Ok(Expr::Parent(self.block_stack.last().cloned(), span)),
            "block" => {
                let name = args.positional.into_iter().next();
                let name = name.ok_or_else(|| fault("`block` takes the name of a block by place").at(span))?;
                return Ok(Expr::Block(Box::new((name, span))));
            }
            _ => {}
        }
        let call = match functions::find(&name, self.options) {
            Some(function) => {
                let bound = bind(&name, args, function.params);
                Call { name, function: Some((function, bound)), args: Args::default(), span }
            }
            None => Call { name, function: None, args, span },
        };
        Ok(Expr::Call(Box::new(call)))
    }

    fn map_literal(&mut self) -> Raised<Vec<(Expr, Expr)>> {
        self.expect(b'{')?;
        let mut entries = Vec::new();
        while !self.is_punctuation(b'}') {
            if !entries.is_empty() {
                self.expect(b',')?;
            }
            let key = self.expression()?;
            self.expect(b':')?;
            entries.push((key, self.expression()?));
        }
        self.advance();
        Ok(entries)
    }

    /// A map literal where nothing else may stand.
    pub(crate) fn map_only(&mut self) -> Raised<Vec<(Expr, Expr)>> {
        if self.is_punctuation(b'{') { self.map_literal() } else { Err(self.unexpected("a map literal")) }
    }

    fn list_literal(&mut self) -> Raised<Expr> {
        self.expect(b'[')?;
        let mut items = Vec::new();
        while !self.is_punctuation(b']') {
            if !items.is_empty() {
                self.expect(b',')?;
            }
            items.push(self.expression()?);
        }
        self.advance();
        Ok(Expr::List(items))
    }

    pub(crate) fn arguments(&mut self) -> Raised<Args> {
        self.expect(b'(')?;
        let mut args = Args::default();
        while !self.is_punctuation(b')') {
            if args.positional.len() + args.named.len() > 0 {
                self.expect(b',')?;
            }
            let named = matches!(self.tokens.get(self.at + 1).map(|t| &t.kind), Some(Kind::Punctuation(b'=')));
            if named {
                let name = self.new_name()?;
                self.expect(b'=')?;
                args.named.push((name, self.expression()?));
            } else {
                let span = self.span();
                let value = self.expression()?;
                if !args.named.is_empty() {
                    return Err(fault("positional arguments stand before named ones").at(span));
                }
                args.positional.push(value);
            }
        }
        self.advance();
        Ok(args)
    }

    /// Gives a long path a slot for its prefix, all but the last two names.
    fn remember(&mut self, path: &mut Expr) {
        let Expr::Path(path) = path else { return };
        let (Expr::Var(var), Some(names)) = (&path.base, path.segments.len().checked_sub(2).filter(|n| *n > 0)) else {
            return;
        };
        let mut prefix = vec![var.name.text.clone()];
        prefix.extend(path.segments[..names].iter().map(|s| s.name.clone()));
        let known = self.prefixes.iter().position(|p| *p == prefix);
        if known.is_none() && self.prefixes.len() >= MEMOS_MAX {
            return;
        }
        let slot = known.unwrap_or_else(|| {
            self.prefixes.push(prefix);
            self.prefixes.len() - 1
        });
        path.memo = Memo { slot, names };
    }

    fn postfix(&mut self, mut base: Expr) -> Raised<Expr> {
        let before = self.depth;
        loop {
            let start = self.span();
            if self.take(b'.') {
                let name_span = self.span();
                let name = self.name("the name of an attribute")?;
                if self.is_punctuation(b'(') {
                    let args = self.arguments()?;
                    if !args.named.is_empty() {
                        return Err(fault("a method takes no named arguments").at(name_span));
                    }
                    self.depth += 1;
                    base = Expr::Method(Box::new(Method { base, name, args, span: name_span }));
                } else {
                    base = attribute(base, name, name_span);
                }
            } else if self.take(b'[') {
                let key = self.expression()?;
                let span = start.to(self.span());
                self.expect(b']')?;
                base = match key {
                    Expr::Const(Value::Str(name)) if !name.is_empty() => attribute(base, name, span),
                    key => {
                        self.depth += 1;
                        Expr::Index(Box::new((base, key, span)))
                    }
                };
            } else if self.is_punctuation(b'(') {
                return Err(fault("this cannot be called").at(start));
            } else {
                self.depth = before;
                self.remember(&mut base);
                return Ok(base);
            }
            if self.depth > DEPTH_MAX * 2 {
                return Err(fault("this chain is too long").at(start));
            }
        }
    }
}

fn concat(left: Expr, right: Expr) -> Expr {
    match left {
        Expr::Concat(mut parts) => {
            parts.push(right);
            Expr::Concat(parts)
        }
        left => Expr::Concat(vec![left, right]),
    }
}

pub(crate) fn variable(name: &str, span: Span) -> Expr {
    Expr::Var(Box::new(Var { name: Name::new(name), near: AtomicU32::new(0), slot: Slot::Named, span }))
}

fn attribute(base: Expr, name: SmolStr, span: Span) -> Expr {
    let part = match name.as_str() {
        "key" => Part::Key,
        "value" => Part::Value,
        _ => Part::Other,
    };
    let segment = Segment { name, part, near: AtomicU32::new(0), span };
    match base {
        Expr::Path(mut path) => {
            path.segments.push(segment);
            Expr::Path(path)
        }
        base => {
            let path = Path { base, segments: vec![segment], memo: Memo::default(), slot: Slot::Named, shares: false };
            Expr::Path(Box::new(path))
        }
    }
}

pub(crate) fn filter_call(name: &str, input: Expr, args: Args, span: Span, options: &Options) -> Expr {
    let filter = filters::find(name, options).ok_or_else(|| SmolStr::new(name));
    let bound = match filter {
        Ok(filter) => bind(name, args, filter.params),
        Err(_) => Ok(Vec::new()),
    };
    let pairs = filters::constant_pairs(name, &bound);
    let is_text = match (&filter, &pairs) {
        (Ok(_), Some(_)) => true,
        (Ok(filter), None) => matches!(filter.run, Run::Text { .. }) && bound.as_ref().is_ok_and(Vec::is_empty),
        _ => false,
    };
    let trims = is_text && name == "trim";
    let is_plain = is_text && matches!(name, "sha256" | "base64encode" | "urlencode");
    Expr::Filter(Box::new(FilterCall { filter, input, args: bound, pairs, is_text, trims, is_plain, span }))
}

/// Lays arguments out by declared name. Without declared names, named arguments are ignored.
fn bind(call: &str, args: Args, params: Option<&'static [&'static str]>) -> Bound {
    let Some(params) = params else { return Ok(args.positional.into_iter().map(Some).collect()) };
    if args.positional.len() > params.len() {
        return Err(format!("`{call}` takes {} arguments, {} given", params.len(), args.positional.len()));
    }
    let mut bound: Vec<Option<Expr>> = args.positional.into_iter().map(Some).collect();
    bound.resize_with(params.len(), || None);
    for (name, value) in args.named {
        match params.iter().position(|p| *p == name) {
            Some(place) => bound[place] = Some(value),
            None => return Err(format!("`{call}` has no argument `{name}`; it takes {}", params.join(", "))),
        }
    }
    Ok(bound)
}
