//! Primaries: literals, names, calls, quantifiers, comprehensions, chains (pql.md §12, §14, §17).

use super::{Parse, Parser, canonical};
use crate::ast::{Expr, ExprKind, Generator, Ident, Step};
use crate::token::{Sign, Token, is_reserved};
use model::SmolStr;

impl Parser {
    pub(super) fn primary(&mut self) -> Parse<Expr> {
        let start = self.start();
        let kind = match self.peek().clone() {
            Token::Int(n) => ExprKind::Int(n),
            Token::Double(n) => ExprKind::Double(n),
            Token::Text(text) => ExprKind::Text(text),
            Token::Position(n) => ExprKind::Position(n),
            Token::Context(text) => ExprKind::Context(text),
            Token::Quoted(name) if *self.peek_at(1) == Token::Sign(Sign::OpenParen) => return self.call(name),
            Token::Quoted(name) => ExprKind::Name(name),
            Token::Name(word) => return self.word(&word),
            Token::Sign(Sign::Caret) => return self.up(),
            Token::Sign(Sign::OpenBracket) => return self.array(),
            Token::Sign(Sign::OpenBrace) => return self.object(),
            Token::Sign(Sign::OpenParen) => {
                self.advance();
                let inner = self.bracketed()?;
                self.expect_sign(Sign::CloseParen)?;
                return Ok(inner);
            }
            _ => return self.unexpected("an expression"),
        };
        self.advance();
        self.node(start, kind)
    }

    fn word(&mut self, word: &SmolStr) -> Parse<Expr> {
        let start = self.start();
        let called = *self.peek_at(1) == Token::Sign(Sign::OpenParen);
        let lower = canonical(word);
        let kind = match lower.as_str() {
            "true" => ExprKind::Bool(true),
            "false" => ExprKind::Bool(false),
            "null" => ExprKind::Null,
            "now" => {
                if called && *self.peek_at(2) == Token::Sign(Sign::CloseParen) {
                    self.at += 2;
                }
                ExprKind::Now
            }
            "yesterday" => ExprKind::Day(-1),
            "today" => ExprKind::Day(0),
            "tomorrow" => ExprKind::Day(1),
            "exists" | "forall" => return self.quantifier(lower == "forall"),
            "select" => {
                self.advance();
                let generator = Box::new(self.generator()?);
                return self.node(start, ExprKind::Select(generator));
            }
            "chain" if called => return self.chain(),
            "if" | "in" | "like" if called => return self.call(lower),
            "notin" if called => return self.call(SmolStr::new_static("notIn")),
            "let" => {
                let fault = self.fault(self.span(), "`let` can not stand inside an operand");
                return Err(Box::new(fault.hint("put `let … in …` into parentheses")));
            }
            "and" | "or" => return self.unexpected("an expression"),
            _ if is_reserved(word) => return self.reserved(),
            _ if self.at_fold(word) => return self.fold(),
            _ if called => return self.call(word.clone()),
            _ => ExprKind::Name(word.clone()),
        };
        self.advance();
        self.node(start, kind)
    }

    fn call(&mut self, name: SmolStr) -> Parse<Expr> {
        let span = self.span();
        self.advance();
        let start = span.start;
        let args = self.arguments(Vec::new())?;
        self.node(start, ExprKind::Call { name: Ident { text: name, span }, args, method: false })
    }

    fn up(&mut self) -> Parse<Expr> {
        let start = self.start();
        let mut levels = 0;
        while self.eat(Sign::Caret) {
            levels += 1;
        }
        self.eat(Sign::Dot);
        let name = self.property()?;
        self.node(start, ExprKind::Up { levels, name })
    }

    fn array(&mut self) -> Parse<Expr> {
        let start = self.start();
        self.advance();
        let mut items = Vec::new();
        if !self.at(Sign::CloseBracket) {
            items.push(self.bracketed()?);
            while self.eat(Sign::Comma) {
                items.push(self.bracketed()?);
            }
        }
        self.expect_sign(Sign::CloseBracket)?;
        self.node(start, ExprKind::Array(items))
    }

    fn object(&mut self) -> Parse<Expr> {
        let start = self.start();
        self.advance();
        let mut fields = Vec::new();
        let mut more = !self.at(Sign::CloseBrace);
        while more {
            let key = match self.peek().clone() {
                Token::Text(text) => {
                    let span = self.span();
                    self.advance();
                    Ident { text, span }
                }
                _ => self.property()?,
            };
            self.expect_sign(Sign::Colon)?;
            fields.push((key, self.bracketed()?));
            more = self.eat(Sign::Comma);
        }
        self.expect_sign(Sign::CloseBrace)?;
        self.node(start, ExprKind::Object(fields))
    }

    fn quantifier(&mut self, all: bool) -> Parse<Expr> {
        let start = self.start();
        self.advance();
        let mut generators = vec![self.generator()?];
        // `,` goes on with the quantifier only if `ident from` follows.
        while self.at(Sign::Comma)
            && matches!(self.peek_at(1), Token::Name(_) | Token::Quoted(_))
            && Parser::is_word(self.peek_at(2), "from")
        {
            self.advance();
            generators.push(self.generator()?);
        }
        self.node(start, ExprKind::Quantifier { all, generators })
    }

    fn generator(&mut self) -> Parse<Generator> {
        let variable = self.variable()?;
        self.expect_word("from")?;
        let source = self.postfix()?;
        let filter = if self.eat_word("where") { Some(self.expr()?) } else { None };
        let condition = if self.eat(Sign::Colon) { Some(self.expr()?) } else { None };
        Ok(Generator { variable, source, filter, condition })
    }

    /// `sum|count|average|min|max` begins a comprehension only if an operand follows.
    fn at_fold(&self, word: &str) -> bool {
        const NOT_OPERANDS: [&str; 13] =
            ["and", "or", "in", "notIn", "like", "occurs", "where", "over", "from", "before", "after", "on", "between"];
        matches!(word, "sum" | "count" | "average" | "min" | "max")
            && match self.peek_at(1) {
                Token::Name(next) => !NOT_OPERANDS.iter().any(|w| next.eq_ignore_ascii_case(w)),
                Token::Sign(sign) => *sign == Sign::Caret,
                Token::End => false,
                _ => true,
            }
    }

    fn fold(&mut self) -> Parse<Expr> {
        let start = self.start();
        let fold = self.property()?;
        let value = Box::new(self.sum()?);
        self.expect_word("over")?;
        let generator = Box::new(self.generator()?);
        self.node(start, ExprKind::Fold { fold, value, generator })
    }

    fn chain(&mut self) -> Parse<Expr> {
        let start = self.start();
        self.advance();
        self.advance();
        let outer = std::mem::replace(&mut self.without_in, false);
        let items = Box::new(self.postfix()?);
        self.expect_sign(Sign::Comma)?;
        let time = Box::new(self.postfix()?);
        self.expect_sign(Sign::Comma)?;
        self.expect_sign(Sign::OpenBracket)?;
        let mut steps = vec![self.step()?];
        while self.eat(Sign::Comma) {
            steps.push(self.step()?);
        }
        self.expect_sign(Sign::CloseBracket)?;
        self.expect_sign(Sign::CloseParen)?;
        self.without_in = outer;
        self.node(start, ExprKind::Chain { items, time, steps })
    }

    fn step(&mut self) -> Parse<Step> {
        let name = self.variable()?;
        self.expect_sign(Sign::Colon)?;
        self.expect_word("WHAT")?;
        self.expect_sign(Sign::OpenParen)?;
        let what = self.expr()?;
        self.expect_sign(Sign::CloseParen)?;
        let mut when = None;
        if self.eat_word("WHEN") {
            self.expect_sign(Sign::OpenParen)?;
            when = Some(self.window()?);
            self.expect_sign(Sign::CloseParen)?;
        }
        Ok(Step { name, what, when })
    }
}
