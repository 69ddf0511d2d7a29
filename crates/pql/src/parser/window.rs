//! The tail of `occurs` and the content of `WHEN(…)` (pql.md §13).

use super::{Parse, Parser};
use crate::ast::{Anchor, Direction, Unit, Window};
use crate::check::nearest;
use crate::diagnostic::{Diagnostic, Kind};
use crate::token::{Sign, Token};

impl Parser {
    pub(super) fn window(&mut self) -> Parse<Window> {
        if let Some(op) = self.eat_relation() {
            let count = self.distance()?;
            let unit = self.unit()?;
            let Some(direction) = self.direction() else {
                return self.unexpected_or("`before`, `after` or `from`", &["before", "after", "from"]);
            };
            return Ok(Window::Distance { op, count, unit, direction, anchor: self.anchor()? });
        }
        if let Some(direction) = self.direction() {
            return Ok(Window::Side(direction, self.anchor()?));
        }
        if self.at_leading("between") {
            self.advance();
            let first = self.anchor()?;
            self.expect_word("and")?;
            return Ok(Window::Between(first, self.anchor()?));
        }
        if self.at_leading("on") {
            self.advance();
        }
        Ok(Window::On(self.anchor()?))
    }

    fn direction(&mut self) -> Option<Direction> {
        let direction = match () {
            () if self.at_leading("before") => Direction::Before,
            () if self.at_leading("after") || self.at_leading("from") => Direction::After,
            () => return None,
        };
        self.advance();
        Some(direction)
    }

    /// A contextual word is a keyword here if an operand can follow; else it is a property of that name.
    fn at_leading(&self, word: &str) -> bool {
        self.at_word(word)
            && match self.peek_at(1) {
                Token::End => false,
                Token::Sign(sign) => matches!(sign, Sign::OpenParen | Sign::Minus | Sign::Caret | Sign::OpenBracket),
                Token::Name(next) => !["and", "or", "in"].into_iter().any(|w| next.eq_ignore_ascii_case(w)),
                _ => true,
            }
    }

    /// The count of a distance. A negative one is reported, and parsing goes on.
    fn distance(&mut self) -> Parse<i64> {
        let start = self.start();
        let negative = self.eat(Sign::Minus);
        let Token::Int(count) = *self.peek() else { return self.unexpected("a whole number of units") };
        self.advance();
        if negative {
            let span = start..self.end();
            let fault = Diagnostic::new(Kind::Constant, span, "a duration can not be negative");
            self.faults.push(fault.hint("`before` and `after` give the direction"));
        }
        Ok(count)
    }

    fn unit(&mut self) -> Parse<Unit> {
        let Token::Name(word) = self.peek() else { return self.unexpected("a unit of time") };
        let Some(unit) = Unit::from_word(word) else {
            let fault = Diagnostic::new(Kind::UnknownUnit, self.span(), format!("`{word}` is not a unit of time"));
            let near = nearest(word, Unit::WORDS.iter().copied());
            let list = "units: millisecond, second, minute, hour, day, week, month, year, decade, century, millennium";
            let hint = near.map_or_else(|| list.to_owned(), |near| format!("did you mean `{near}`?"));
            return Err(Box::new(fault.hint(hint)));
        };
        self.advance();
        Ok(unit)
    }

    fn anchor(&mut self) -> Parse<Anchor> {
        let offset = ["last", "this", "next"].into_iter().position(|word| self.at_word(word));
        if let Some(offset) = offset
            && let Token::Name(next) = self.peek_at(1)
            && !["and", "or", "in", "where"].into_iter().any(|w| next.eq_ignore_ascii_case(w))
        {
            self.advance();
            let unit = self.unit()?;
            return Ok(Anchor::Period(offset as i64 - 1, unit));
        }
        Ok(Anchor::At(Box::new(self.sum()?)))
    }
}
