//! Tokens to tree (the grammar of pql.md §17), by recursive descent.
//!
//! In: any text. Out: a tree within the limits of `ast`, or every lexical fault and the faults of
//! syntax, as far as the parse can go on after one. Always: recursion is bounded by `DEPTH_MAX`, so no
//! input overflows the stack.

mod construct;
mod recovery;
mod window;

use crate::ast::{Arithmetic, Ast, Comparison, DEPTH_MAX, Expr, ExprKind, Ident, NODES_MAX};
use crate::check::nearest;
use crate::diagnostic::{Diagnostic, Diagnostics, Kind};
use crate::lexer::{self, TEXT_BYTES_MAX};
use crate::token::{Sign, Spanned, Token, is_reserved};
use model::SmolStr;
use std::ops::Range;

/// Parses a query.
pub fn parse(text: &str) -> Result<Ast, Diagnostics> {
    if text.len() > TEXT_BYTES_MAX {
        let message = format!("a query has at most {TEXT_BYTES_MAX} bytes, this one has {}", text.len());
        return Err(Diagnostics::new(vec![Diagnostic::new(Kind::Limit, 0..0, message)]));
    }
    let (tokens, faults) = lexer::tokens(text);
    let mut parser = Parser { tokens, at: 0, depth: 0, nodes: 0, without_in: false, faults, nesting: Vec::new() };
    match parser.query() {
        Ok(root) if parser.faults.is_empty() => Ok(Ast { root }),
        Ok(_) => Err(Diagnostics::new(parser.faults)),
        Err(fault) => {
            parser.faults.push(*fault);
            Err(Diagnostics::new(parser.faults))
        }
    }
}

/// The result of a rule.
type Parse<T> = Result<T, Box<Diagnostic>>;

struct Parser {
    tokens: Vec<Spanned>,
    at: usize,
    depth: usize,
    nodes: usize,
    /// Inside the bound expression of `let`, where `in` ends the expression.
    without_in: bool,
    /// Faults after which parsing went on.
    faults: Vec<Diagnostic>,
    /// Open brackets around each token; empty before the first fault.
    nesting: Vec<u32>,
}

impl Parser {
    fn query(&mut self) -> Parse<Expr> {
        let root = if self.at_lambda() { self.lambda()? } else { self.expr()? };
        self.end_of_query().map(|()| root)
    }

    fn expr(&mut self) -> Parse<Expr> {
        self.nested(|p| if p.at_word("let") { p.let_in() } else { p.or() })
    }

    /// An expression between brackets, where `in` is an operator again.
    fn bracketed(&mut self) -> Parse<Expr> {
        let outer = std::mem::replace(&mut self.without_in, false);
        let inner = self.expr();
        self.without_in = outer;
        inner
    }

    fn let_in(&mut self) -> Parse<Expr> {
        let start = self.start();
        self.advance();
        let name = self.variable()?;
        self.expect_sign(Sign::Equal)?;
        let outer = std::mem::replace(&mut self.without_in, true);
        let value = self.expr();
        self.without_in = outer;
        let value = Box::new(value?);
        self.expect_word("in")?;
        let body = Box::new(self.expr()?);
        self.node(start, ExprKind::Let { name, value, body })
    }

    fn or(&mut self) -> Parse<Expr> {
        self.list_of("or", Parser::and, ExprKind::Or)
    }

    fn and(&mut self) -> Parse<Expr> {
        self.list_of("and", Parser::not, ExprKind::And)
    }

    fn list_of(
        &mut self,
        word: &str,
        operand: fn(&mut Parser) -> Parse<Expr>,
        make: fn(Vec<Expr>) -> ExprKind,
    ) -> Parse<Expr> {
        let start = self.start();
        let first = self.operand(operand)?;
        if !self.at_word(word) {
            return Ok(first);
        }
        let mut operands = vec![first];
        while self.eat_word(word) {
            operands.push(self.operand(operand)?);
        }
        self.node(start, make(operands))
    }

    fn not(&mut self) -> Parse<Expr> {
        let start = self.start();
        if self.eat_word("not") || self.eat(Sign::Bang) {
            let inner = Box::new(self.nested(Parser::not)?);
            return self.node(start, ExprKind::Not(inner));
        }
        self.comparison()
    }

    fn comparison(&mut self) -> Parse<Expr> {
        let start = self.start();
        let left = self.sum()?;
        let whole = match self.comparison_tail(left)? {
            Tail::None(left) => return Ok(left),
            Tail::Kind(kind) => self.node(start, kind)?,
        };
        if self.at_comparison() {
            let fault = self.fault(self.span(), "comparisons do not chain");
            return Err(Box::new(fault.hint("join two comparisons with `and`, or add parentheses")));
        }
        Ok(whole)
    }

    fn comparison_tail(&mut self, left: Expr) -> Parse<Tail> {
        let left = Box::new(left);
        if let Some(op) = self.eat_relation() {
            let right = Box::new(self.sum()?);
            return Ok(Tail::Kind(ExprKind::Compare { op, left, right }));
        }
        if !self.without_in && self.eat_word("in") {
            let list = Box::new(self.sum()?);
            return Ok(Tail::Kind(ExprKind::In { negated: false, item: left, list }));
        }
        if self.eat_word("notIn") {
            let list = Box::new(self.sum()?);
            return Ok(Tail::Kind(ExprKind::In { negated: true, item: left, list }));
        }
        if self.eat_word("like") {
            let pattern = Box::new(self.sum()?);
            return Ok(Tail::Kind(ExprKind::Like { text: left, pattern }));
        }
        if self.eat_word("occurs") {
            let window = self.window()?;
            return Ok(Tail::Kind(ExprKind::Occurs { time: left, window }));
        }
        Ok(Tail::None(*left))
    }

    fn at_comparison(&self) -> bool {
        relation(self.peek()).is_some()
            || (!self.without_in && self.at_word("in"))
            || ["notIn", "like", "occurs"].into_iter().any(|w| self.at_word(w))
    }

    fn eat_relation(&mut self) -> Option<Comparison> {
        let op = relation(self.peek())?;
        self.advance();
        Some(op)
    }

    fn sum(&mut self) -> Parse<Expr> {
        self.arithmetic(Parser::product, |sign| match sign {
            Sign::Plus => Some(Arithmetic::Add),
            Sign::Minus => Some(Arithmetic::Subtract),
            _ => None,
        })
    }

    fn product(&mut self) -> Parse<Expr> {
        self.arithmetic(Parser::unary, |sign| match sign {
            Sign::Star => Some(Arithmetic::Multiply),
            Sign::Slash => Some(Arithmetic::Divide),
            Sign::Percent => Some(Arithmetic::Remainder),
            _ => None,
        })
    }

    fn arithmetic(
        &mut self,
        operand: fn(&mut Parser) -> Parse<Expr>,
        op_of: fn(Sign) -> Option<Arithmetic>,
    ) -> Parse<Expr> {
        let start = self.start();
        let first = operand(self)?;
        let mut rest = Vec::new();
        while let Token::Sign(sign) = *self.peek() {
            let Some(op) = op_of(sign) else { break };
            self.advance();
            rest.push((op, operand(self)?));
        }
        if rest.is_empty() {
            return Ok(first);
        }
        self.node(start, ExprKind::Arithmetic { first: Box::new(first), rest })
    }

    fn unary(&mut self) -> Parse<Expr> {
        let start = self.start();
        if self.eat(Sign::Minus) {
            let inner = Box::new(self.nested(Parser::unary)?);
            return self.node(start, ExprKind::Negate(inner));
        }
        self.postfix()
    }

    fn postfix(&mut self) -> Parse<Expr> {
        let start = self.start();
        let mut of = self.primary()?;
        loop {
            if self.eat(Sign::Dot) {
                let name = self.property()?;
                if self.at(Sign::OpenParen) {
                    let args = self.arguments(vec![of])?;
                    of = self.node(start, ExprKind::Call { name, args, method: true })?;
                } else if let Expr { kind: ExprKind::Member { of: base, mut names }, .. } = of {
                    names.push(name);
                    self.count(1)?;
                    of = Expr::new(ExprKind::Member { of: base, names }, start..self.end());
                } else {
                    of = self.node(start, ExprKind::Member { of: Box::new(of), names: vec![name] })?;
                }
            } else if self.eat(Sign::OpenBracket) {
                let condition = Box::new(self.bracketed()?);
                self.expect_sign(Sign::CloseBracket)?;
                of = self.node(start, ExprKind::Filter { of: Box::new(of), condition })?;
            } else {
                return Ok(of);
            }
        }
    }

    fn arguments(&mut self, mut args: Vec<Expr>) -> Parse<Vec<Expr>> {
        self.expect_sign(Sign::OpenParen)?;
        let outer = std::mem::replace(&mut self.without_in, false);
        if !self.at(Sign::CloseParen) {
            loop {
                args.push(if self.at_lambda() { self.lambda()? } else { self.expr()? });
                if !self.eat(Sign::Comma) {
                    break;
                }
            }
        }
        self.without_in = outer;
        self.expect_sign(Sign::CloseParen)?;
        Ok(args)
    }

    /// `(` begins a lambda only if `ident {, ident} ) =>` follows.
    fn at_lambda(&self) -> bool {
        if !self.at(Sign::OpenParen) {
            return false;
        }
        let mut ahead = 1;
        loop {
            if !matches!(self.peek_at(ahead), Token::Name(_) | Token::Quoted(_)) {
                return false;
            }
            match self.peek_at(ahead + 1) {
                Token::Sign(Sign::Comma) => ahead += 2,
                Token::Sign(Sign::CloseParen) => return *self.peek_at(ahead + 2) == Token::Sign(Sign::Arrow),
                _ => return false,
            }
        }
    }

    fn lambda(&mut self) -> Parse<Expr> {
        let start = self.start();
        self.advance();
        let mut params = vec![self.variable()?];
        while self.eat(Sign::Comma) {
            params.push(self.variable()?);
        }
        self.expect_sign(Sign::CloseParen)?;
        self.expect_sign(Sign::Arrow)?;
        let body = Box::new(self.expr()?);
        self.node(start, ExprKind::Lambda { params, body })
    }

    /// A name that introduces a variable.
    fn variable(&mut self) -> Parse<Ident> {
        match self.peek() {
            Token::Name(word) if is_reserved(word) => self.reserved(),
            _ => self.property(),
        }
    }

    /// A name after `.` or `^`: reserved words too.
    fn property(&mut self) -> Parse<Ident> {
        match self.peek().clone() {
            Token::Name(text) | Token::Quoted(text) => {
                let span = self.span();
                self.advance();
                Ok(Ident { text, span })
            }
            _ => self.unexpected("a name"),
        }
    }

    fn reserved<T>(&mut self) -> Parse<T> {
        let fault = self.fault(self.span(), format!("{} is a reserved word", self.peek().describe()));
        Err(Box::new(fault.hint("put a name in backquotes to use it anyway")))
    }

    /// Makes a node that ends where the last token ended; refuses what exceeds the limits.
    fn node(&mut self, start: usize, kind: ExprKind) -> Parse<Expr> {
        self.count(1)?;
        let expr = Expr::new(kind, start..self.end());
        if expr.depth > DEPTH_MAX { self.too_deep() } else { Ok(expr) }
    }

    fn count(&mut self, nodes: usize) -> Parse<()> {
        self.nodes += nodes;
        if self.nodes <= NODES_MAX {
            return Ok(());
        }
        let message = format!("a query has at most {NODES_MAX} nodes");
        Err(Box::new(Diagnostic::new(Kind::Limit, self.span(), message)))
    }

    fn nested(&mut self, rule: impl FnOnce(&mut Parser) -> Parse<Expr>) -> Parse<Expr> {
        self.depth += 1;
        if self.depth > DEPTH_MAX {
            return self.too_deep();
        }
        let result = rule(self);
        self.depth -= 1;
        result
    }

    fn too_deep<T>(&self) -> Parse<T> {
        let message = format!("a query nests at most {DEPTH_MAX} levels deep");
        Err(Box::new(Diagnostic::new(Kind::Limit, self.span(), message)))
    }

    fn peek(&self) -> &Token {
        self.peek_at(0)
    }

    fn peek_at(&self, ahead: usize) -> &Token {
        self.tokens.get(self.at + ahead).map_or(&Token::End, |t| &t.token)
    }

    fn span(&self) -> Range<usize> {
        self.tokens[self.at].span.clone()
    }

    fn start(&self) -> usize {
        self.tokens[self.at].span.start
    }

    /// The end of the last token read.
    fn end(&self) -> usize {
        self.at.checked_sub(1).map_or(0, |last| self.tokens[last].span.end)
    }

    fn advance(&mut self) {
        self.at = (self.at + 1).min(self.tokens.len() - 1);
    }

    fn at(&self, sign: Sign) -> bool {
        *self.peek() == Token::Sign(sign)
    }

    fn eat(&mut self, sign: Sign) -> bool {
        let found = self.at(sign);
        if found {
            self.advance();
        }
        found
    }

    fn is_word(token: &Token, word: &str) -> bool {
        matches!(token, Token::Name(name) if name.eq_ignore_ascii_case(word))
    }

    fn at_word(&self, word: &str) -> bool {
        Parser::is_word(self.peek(), word)
    }

    fn eat_word(&mut self, word: &str) -> bool {
        let found = self.at_word(word);
        if found {
            self.advance();
        }
        found
    }

    fn expect_sign(&mut self, sign: Sign) -> Parse<()> {
        if self.eat(sign) { Ok(()) } else { self.unexpected(&format!("`{}`", sign.text())) }
    }

    fn expect_word(&mut self, word: &str) -> Parse<()> {
        if self.eat_word(word) { Ok(()) } else { self.unexpected_or(&format!("`{word}`"), &[word]) }
    }

    fn fault(&self, span: Range<usize>, message: impl Into<String>) -> Diagnostic {
        Diagnostic::new(Kind::Syntax, span, message)
    }

    fn unexpected<T>(&self, wanted: &str) -> Parse<T> {
        self.unexpected_or(wanted, &[])
    }

    /// What is there may be a misspelt word of some.
    fn unexpected_or<T>(&self, wanted: &str, words: &[&str]) -> Parse<T> {
        Err(self.misplaced(wanted, words))
    }

    fn misplaced(&self, wanted: &str, words: &[&str]) -> Box<Diagnostic> {
        let mut fault = self.fault(self.span(), format!("expected {wanted}, found {}", self.peek().describe()));
        if let Token::Name(given) = self.peek()
            && let Some(near) = nearest(given, words.iter().copied())
        {
            fault = fault.hint(format!("did you mean `{near}`?"));
        }
        Box::new(fault)
    }
}

enum Tail {
    None(Expr),
    Kind(ExprKind),
}

fn relation(token: &Token) -> Option<Comparison> {
    Some(match token {
        Token::Sign(Sign::Equal) => Comparison::Equal,
        Token::Sign(Sign::NotEqual) => Comparison::NotEqual,
        Token::Sign(Sign::Less) => Comparison::Less,
        Token::Sign(Sign::LessEqual) => Comparison::LessEqual,
        Token::Sign(Sign::Greater) => Comparison::Greater,
        Token::Sign(Sign::GreaterEqual) => Comparison::GreaterEqual,
        _ => return None,
    })
}

fn canonical(word: &str) -> SmolStr {
    SmolStr::from(word.to_ascii_lowercase())
}
