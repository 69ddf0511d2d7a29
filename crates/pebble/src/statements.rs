//! Tokens to tree: text, prints and tags.
//!
//! In: tokens. Out: nodes, blocks and macros. Always: every print already knows whether and how it escapes.

use crate::error::{Fault, Raised, Span, fault, nearest};
use crate::escape::Strategy;
use crate::lexer::Kind;
use crate::parser::{Parser, filter_call, variable};
use crate::path_macro;
use crate::template::Profile;
use crate::tree::*;
use crate::value::Value;
use smol_str::SmolStr;

const TAGS: [&str; 16] = [
    "if",
    "for",
    "set",
    "filter",
    "macro",
    "autoescape",
    "flush",
    "parallel",
    "cache",
    "include",
    "extends",
    "block",
    "embed",
    "import",
    "from",
    "verbatim",
];
const DESTINATION_TAGS: [&str; 4] = ["if", "for", "set", "filter"];

/// The words that end or divide the tag that is open.
type Ends = &'static [&'static str];

impl Parser<'_> {
    pub(crate) fn template(&mut self) -> Raised<Vec<Node>> {
        let nodes = self.nodes(&[])?;
        if *self.kind() == Kind::End { Ok(nodes) } else { Err(self.unexpected("the end of the template")) }
    }

    /// Nodes up to a tag of `ends`; its name is then the current token.
    fn nodes(&mut self, ends: Ends) -> Raised<Vec<Node>> {
        self.deeper()?;
        let open = self.at;
        let mut nodes = Vec::new();
        loop {
            match self.kind() {
                Kind::Text => {
                    nodes.push(Node::Text(self.text().into()));
                    self.advance();
                }
                Kind::PathMacro(path) => {
                    let value = path_macro::expression(&path.clone(), self.span());
                    nodes.push(Node::Print(self.escaped(value, self.span())));
                    self.advance();
                }
                Kind::PrintStart => {
                    self.advance();
                    let span = self.span();
                    let value = self.expression()?;
                    if *self.kind() != Kind::PrintEnd {
                        return Err(self.unexpected("an operator or `}}`"));
                    }
                    self.advance();
                    nodes.push(Node::Print(self.escaped(value, span)));
                }
                Kind::TagStart => {
                    let start = self.span();
                    self.advance();
                    if *self.kind() != Kind::Name {
                        return Err(self.unexpected("the name of a tag"));
                    }
                    if ends.contains(&self.text()) {
                        self.depth -= 1;
                        return Ok(nodes);
                    }
                    if let Some(node) = self.tag(start.to(self.span()))? {
                        nodes.push(node);
                    }
                }
                _ if ends.is_empty() => {
                    self.depth -= 1;
                    return Ok(nodes);
                }
                _ => {
                    let wanted = ends.last().copied().unwrap_or_default();
                    // The tag that this body belongs to.
                    let tag = self.tokens[..open].iter().rposition(|t| t.kind == Kind::TagStart).unwrap_or(0);
                    let span = self.tokens[tag].span.to(self.tokens[open.saturating_sub(1)].span);
                    return Err(fault(format!("`{{% {wanted} %}}` is missing")).at(span));
                }
            }
        }
    }

    /// Wraps what a print must escape.
    fn escaped(&self, value: Expr, span: Span) -> Expr {
        let Some(strategy) = &self.escape else { return value };
        match value {
            Expr::Ternary(ternary) => {
                let (condition, yes, no, at) = *ternary;
                Expr::Ternary(Box::new((condition, escape(yes, strategy, span), escape(no, strategy, span), at)))
            }
            value => escape(value, strategy, span),
        }
    }

    fn tag_end(&mut self) -> Raised<()> {
        if *self.kind() != Kind::TagEnd {
            return Err(self.unexpected("`%}`"));
        }
        self.advance();
        Ok(())
    }

    fn is_word(&self, word: &str) -> bool {
        *self.kind() == Kind::Name && self.text() == word
    }

    fn tag(&mut self, span: Span) -> Raised<Option<Node>> {
        let name = self.name("the name of a tag")?;
        if self.options.profile == Profile::Destination && !DESTINATION_TAGS.contains(&name.as_str()) {
            if TAGS.contains(&name.as_str()) {
                return Err(not_of_destinations(&name).at(span));
            }
            return Err(self.suggest(&unknown_tag(&name), &name, &DESTINATION_TAGS, span));
        }
        self.uses_others |= matches!(name.as_str(), "include" | "embed" | "extends" | "import" | "from");
        match name.as_str() {
            "if" => self.if_tag().map(Some),
            "for" => self.for_tag(span).map(Some),
            "set" => self.set_tag().map(Some),
            "filter" => self.filter_tag(span).map(Some),
            "macro" => self.macro_tag(span).map(|()| None),
            "autoescape" => self.autoescape_tag().map(Some),
            "flush" => self.tag_end().map(|()| None),
            "parallel" => {
                self.tag_end()?;
                Ok(Some(Node::Group(self.body(&["endparallel"])?)))
            }
            "cache" => {
                let key = self.expression()?;
                self.tag_end()?;
                let body = self.hidden(|parser| parser.body(&["endcache"]))?;
                Ok(Some(Node::Cache(Box::new((key, body, span)))))
            }
            "include" => self.include_tag(span, false).map(Some),
            "embed" => self.include_tag(span, true).map(Some),
            "extends" => {
                let parent = self.expression()?;
                self.tag_end()?;
                Ok(Some(Node::Extends(Box::new((parent, span)))))
            }
            "block" => self.block_tag(span).map(Some),
            "import" => self.import_tag(span).map(Some),
            "from" => self.import_names_tag(span).map(Some),
            _ => Err(self.suggest(&unknown_tag(&name), &name, &TAGS, span)),
        }
    }

    fn suggest(&self, message: &str, name: &str, known: &[&'static str], span: Span) -> Box<crate::error::Fault> {
        let mut fault = fault(message).at(span);
        fault.suggestion = nearest(name, known.iter().copied());
        fault
    }

    /// The body of a tag with one end; the end tag is consumed.
    fn body(&mut self, ends: Ends) -> Raised<Vec<Node>> {
        let nodes = self.nodes(ends)?;
        self.advance();
        self.tag_end()?;
        Ok(nodes)
    }

    fn if_tag(&mut self) -> Raised<Node> {
        let mut branches = Vec::new();
        let mut otherwise = Vec::new();
        loop {
            let span = self.span();
            let condition = self.expression()?;
            let span = span.to(self.tokens[self.at - 1].span);
            self.tag_end()?;
            let body = self.nodes(&["elseif", "else", "endif"])?;
            branches.push(Branch { condition, span, flag: None, body });
            let word = SmolStr::new(self.text());
            self.advance();
            match word.as_str() {
                "elseif" => continue,
                "else" => {
                    self.tag_end()?;
                    otherwise = self.body(&["endif"])?;
                }
                _ => self.tag_end()?,
            }
            return Ok(Node::If(Box::new(If { branches, otherwise, separator: None })));
        }
    }

    fn for_tag(&mut self, span: Span) -> Raised<Node> {
        let var = self.new_name()?;
        if !self.is_word("in") {
            return Err(self.unexpected("`in`"));
        }
        self.advance();
        let over = self.expression()?;
        self.tag_end()?;
        let body = self.nodes(&["else", "endfor"])?;
        let mut otherwise = Vec::new();
        let divided = self.text() == "else";
        self.advance();
        self.tag_end()?;
        if divided {
            otherwise = self.body(&["endfor"])?;
        }
        Ok(Node::For(Box::new(For { var: Name::new(&var), over, body, otherwise, placed: false, span })))
    }

    fn set_tag(&mut self) -> Raised<Node> {
        let name = self.new_name()?;
        self.expect(b'=')?;
        let value = self.expression()?;
        self.tag_end()?;
        Ok(Node::Set(Box::new(Set { name: Name::new(&name), value, place: None })))
    }

    /// Reads what the reference neither escapes nor searches for blocks and macros.
    fn hidden<T>(&mut self, read: impl FnOnce(&mut Self) -> Raised<T>) -> Raised<T> {
        let outer = (self.escape.take(), std::mem::replace(&mut self.hidden, true));
        let done = read(self);
        (self.escape, self.hidden) = outer;
        done
    }

    fn filter_tag(&mut self, span: Span) -> Raised<Node> {
        let mut calls = Vec::new();
        loop {
            let name_span = self.span();
            let name = self.name("the name of a filter")?;
            let args = if self.is_punctuation(b'(') { self.arguments()? } else { Args::default() };
            calls.push((name, args, name_span));
            if *self.kind() != Kind::Operator("|") {
                break;
            }
            if calls.len() >= crate::parser::DEPTH_MAX {
                return Err(self.unexpected("fewer filters"));
            }
            self.advance();
        }
        self.tag_end()?;
        let body = self.hidden(|parser| parser.body(&["endfilter"]))?;
        let mut value = Expr::Body(body);
        for (name, args, name_span) in calls {
            value = filter_call(&name, value, args, name_span, self.options);
        }
        Ok(Node::Print(self.escaped(value, span)))
    }

    fn macro_tag(&mut self, span: Span) -> Raised<()> {
        let name = self.name("the name of a macro")?;
        self.expect(b'(')?;
        let mut params: Vec<(Name, Option<Expr>)> = Vec::new();
        while !self.is_punctuation(b')') {
            if !params.is_empty() {
                self.expect(b',')?;
            }
            let param = self.new_name()?;
            let default = if self.take(b'=') { Some(self.expression()?) } else { None };
            params.push((Name::new(&param), default));
        }
        self.advance();
        self.tag_end()?;
        let body = self.body(&["endmacro"])?;
        if self.hidden {
            return Ok(());
        }
        if self.macros.contains_key(&name) {
            return Err(fault(format!("there are two macros `{name}`")).at(span));
        }
        self.macros.insert(name.clone(), Macro { name, params, body });
        Ok(())
    }

    fn autoescape_tag(&mut self) -> Raised<Node> {
        let mut on = true;
        let mut strategy = Strategy::Html;
        if *self.kind() == Kind::Name {
            on = self.text().eq_ignore_ascii_case("true");
            self.advance();
        }
        if let Kind::Str(name) = self.kind() {
            strategy = Strategy::named(name);
            self.advance();
        }
        self.tag_end()?;
        let outer = self.escape.clone();
        if !self.hidden {
            self.escape = on.then_some(strategy);
        }
        let body = self.body(&["endautoescape"]);
        self.escape = outer;
        Ok(Node::Group(body?))
    }

    fn include_tag(&mut self, span: Span, embed: bool) -> Raised<Node> {
        let template = self.expression()?;
        let mut with = Vec::new();
        if self.is_word("with") {
            self.advance();
            with = self.map_only()?;
        }
        self.tag_end()?;
        let blocks = if embed { Some(self.hidden(Self::embedded_blocks)?) } else { None };
        Ok(Node::Include(Box::new(Include { template, with, blocks, span })))
    }

    /// The blocks of an `embed`, each with at most one blank text before it. Any word begins a block here.
    fn embedded_blocks(&mut self) -> Raised<Blocks> {
        let mut blocks = Blocks::new();
        loop {
            if *self.kind() == Kind::Text {
                if self.text().chars().any(|c| c > ' ') {
                    return Err(fault("only blocks may stand inside `embed`").at(self.span()));
                }
                self.advance();
            }
            if *self.kind() != Kind::TagStart {
                return Err(self.unexpected("a block or `{% endembed %}`"));
            }
            self.advance();
            let end = self.is_word("endembed");
            self.advance();
            if end {
                self.tag_end()?;
                return Ok(blocks);
            }
            let (name, body) = self.named_body()?;
            blocks.insert(name, body);
        }
    }

    fn block_name(&mut self) -> Raised<SmolStr> {
        if let Kind::Str(name) = self.kind() {
            let name = SmolStr::new(name);
            self.advance();
            return Ok(name);
        }
        self.name("the name of a block")
    }

    fn block_tag(&mut self, span: Span) -> Raised<Node> {
        let begins = self.at;
        let (name, body) = self.named_body()?;
        if !self.hidden && self.begun.get(&name).is_none_or(|other| *other < begins) {
            self.begun.insert(name.clone(), begins);
            self.blocks.insert(name.clone(), body);
        }
        Ok(Node::Block(name, span))
    }

    /// What follows the word `block`.
    fn named_body(&mut self) -> Raised<(SmolStr, Vec<Node>)> {
        let name = self.block_name()?;
        self.tag_end()?;
        self.block_stack.push(name.clone());
        let body = self.nodes(&["endblock"])?;
        self.block_stack.pop();
        self.advance();
        if *self.kind() != Kind::TagEnd {
            let at = self.span();
            let end = self.block_name()?;
            if end != name {
                return Err(fault(format!("the open block is `{name}`, not `{end}`")).at(at));
            }
        }
        self.tag_end()?;
        Ok((name, body))
    }

    fn import_tag(&mut self, span: Span) -> Raised<Node> {
        let template = self.expression()?;
        let mut form = ImportForm::All;
        if self.is_word("as") {
            self.advance();
            form = ImportForm::As(self.name("the name of the import")?);
        }
        self.tag_end()?;
        Ok(Node::Import(Box::new(Import { template, form, span })))
    }

    fn import_names_tag(&mut self, span: Span) -> Raised<Node> {
        let template = self.expression()?;
        if !self.is_word("import") {
            return Err(self.unexpected("`import`"));
        }
        self.advance();
        let mut names = Vec::new();
        while *self.kind() != Kind::TagEnd {
            let name = self.name("the name of a macro")?;
            let mut alias = name.clone();
            if self.is_word("as") {
                self.advance();
                alias = self.name("the name of the import")?;
            }
            names.push((name, alias));
            if !self.take(b',') {
                break;
            }
        }
        self.tag_end()?;
        Ok(Node::Import(Box::new(Import { template, form: ImportForm::Names(names), span })))
    }
}

/// A tag of Pebble that destination templates do without.
pub(crate) fn not_of_destinations(name: &str) -> Box<Fault> {
    let mut fault = fault(format!("the tag `{name}` is not part of destination templates"));
    fault.suggestion = nearest(name, DESTINATION_TAGS);
    fault
}

fn unknown_tag(name: &str) -> String {
    match name {
        "else" | "elseif" | "endif" | "endfor" => format!("`{name}` has nothing to end or divide here"),
        _ if name.starts_with("end") => format!("`{name}` has nothing to end here"),
        _ => format!("there is no tag `{name}`"),
    }
}

fn escape(value: Expr, strategy: &Strategy, span: Span) -> Expr {
    let literal = |e: &Expr| matches!(e, Expr::Const(Value::Str(_)));
    let left_alone = match &value {
        Expr::Block(..) | Expr::Parent(..) => true,
        Expr::Concat(parts) => parts.len() == 2 && parts.iter().all(literal),
        value => literal(value),
    };
    if left_alone { value } else { Expr::Escape(Box::new((strategy.clone(), value, span))) }
}

/// Here for `path_macro`, which builds on variables.
pub(crate) fn root(name: &str, span: Span) -> Var {
    match variable(name, span) {
        Expr::Var(var) => *var,
        _ => Var { name: Name::new(name), near: Default::default(), slot: Slot::Named, span },
    }
}
