//! After a fault: where the parse goes on, so that one run tells several faults.
//!
//! An operand that cannot be read is left out, up to the next `and`, `or`, comma or closing bracket of its
//! own nesting. What follows is read as if the operand were there; a tree with faults is never given out.

use super::{Parse, Parser};
use crate::ast::{Expr, ExprKind};
use crate::diagnostic::{Kind, REPORTED_MAX};
use crate::token::{Sign, Token};

impl Parser {
    /// Reads an operand of `and` or `or`; notes what is wrong with it, if what follows can be read.
    pub(super) fn operand(&mut self, rule: fn(&mut Parser) -> Parse<Expr>) -> Parse<Expr> {
        let (start, depth, without_in) = (self.at, self.depth, self.without_in);
        let fault = match rule(self) {
            Ok(operand) => return Ok(operand),
            Err(fault) => fault,
        };
        (self.depth, self.without_in) = (depth, without_in);
        let Some(next) = self.resumes_at(start).filter(|_| fault.kind != Kind::Limit) else { return Err(fault) };
        let span = self.tokens[start].span.clone();
        self.faults.push(*fault);
        self.at = next;
        Ok(Expr::new(ExprKind::Null, span))
    }

    /// The end of the query; what stands there instead is noted, if more can be read after it.
    pub(super) fn end_of_query(&mut self) -> Parse<()> {
        while *self.peek() != Token::End {
            let fault = self.misplaced("the end of the query", &["and", "or", "in", "notIn", "like", "occurs"]);
            let Some(next) = self.resumes_at(self.at) else { return Err(fault) };
            self.faults.push(*fault);
            self.at = next;
            self.advance();
            self.expr()?;
        }
        Ok(())
    }

    /// Where the parse can go on after a fault in what began at `start`.
    fn resumes_at(&mut self, start: usize) -> Option<usize> {
        if self.faults.len() + 1 >= REPORTED_MAX {
            return None;
        }
        if self.nesting.is_empty() {
            self.nesting = nesting(self.tokens.iter().map(|t| &t.token));
        }
        let level = self.nesting[start];
        // `between a and b` has an `and` of its own.
        let mut betweens = 0_usize;
        for at in start..self.tokens.len() {
            let token = &self.tokens[at].token;
            match token {
                // The bracket around the operand ends.
                _ if self.nesting[at] < level => return (at >= self.at).then_some(at),
                _ if self.nesting[at] > level => {}
                Token::Sign(Sign::Comma) if level > 0 && at >= self.at => return Some(at),
                _ if Parser::is_word(token, "between") => betweens += 1,
                _ if Parser::is_word(token, "and") && betweens > 0 => betweens -= 1,
                _ if at < self.at => {}
                _ if Parser::is_word(token, "and") || Parser::is_word(token, "or") => return Some(at),
                _ if Parser::is_word(token, "in") && self.without_in => return Some(at),
                _ => {}
            }
        }
        None
    }
}

/// How many brackets are open around each token; a bracket counts as outside of itself.
fn nesting<'a>(tokens: impl Iterator<Item = &'a Token>) -> Vec<u32> {
    let mut open = 0_u32;
    let of = |token: &Token| match token {
        Token::Sign(Sign::OpenParen | Sign::OpenBracket | Sign::OpenBrace) => {
            open += 1;
            open - 1
        }
        Token::Sign(Sign::CloseParen | Sign::CloseBracket | Sign::CloseBrace) => {
            open = open.saturating_sub(1);
            open
        }
        _ => open,
    };
    tokens.map(of).collect()
}
