//! Expressions and texts with the answers of Java 17.

use super::super::{Regex, Use};
use crate::eval::Run;
use crate::query::World;

fn check(cases: &[(&str, &str, bool)]) {
    let world = World::nothing();
    let mut run = Run::new(&world, 0);
    for (pattern, text, fits) in cases {
        for of in [Use::Test, Use::Find] {
            let regex = Regex::new(pattern, of).unwrap_or_else(|e| panic!("{pattern}: {e}"));
            assert_eq!(regex.is_match(text, &mut run), Some(*fits), "{of:?} {pattern} {text:?}");
        }
    }
}

#[test]
fn classes_mean_what_java_means() {
    check(&[
        (r"^\w+$", "Lopez_1", true),
        (r"^\w+$", "López", false),
        (r"^\W$", "ó", true),
        (r"^\d$", "٣", false),
        (r"^[\d-]+$", "1-2", true),
        (r"^[\D]+$", "٣a", true),
        (r"^[^\W\d]+$", "ab_", true),
        (r"^[^\W\d]+$", "ab1", false),
        (r"^\s$", "\u{A0}", false),
        (r"^\h$", "\u{A0}", true),
        (r"\h", "a5", false),
        (r"^[\h\v]+$", " \n\u{2028}", true),
        (r"^a\Rb$", "a\r\nb", true),
        (r"^\Qa.b*(\E+$", "a.b*(((", true),
        (r"\Q[x", "y[x", true),
        (r"^\p{Alnum}\P{Punct}$", "a1", true),
        (r"^\p{Alpha}$", "é", false),
        (r"^\p{L}$", "é", true),
        (r"^\\d$", r"\d", true),
        (r"^(\w)\1$", "aa", true),
        (r"^\p{Punct}+$", "!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~", true),
    ]);
}

#[test]
fn lines_and_flags_mean_what_java_means() {
    check(&[
        (r"a$", "a\n", true),
        (r"a$", "a\r\n", true),
        (r"a\s$", "a\r\n", false),
        (r"a$", "a\u{2028}", true),
        (r"a$", "a\u{85}", true),
        (r"a$", "a\r", true),
        (r"a$", "a\n\n", false),
        (r"^(a|b$)$", "b\n", true),
        (r"(a$)\n", "a\n", true),
        (r"^(?!a$)", "a\n", false),
        (r"x|a$", "a\n", true),
        (r"(a$|b)c", "a\nc", false),
        (r"a\Z", "a\n", true),
        (r"a\z", "a\n", false),
        (r"a(\z|$)", "a\n", true),
        (r"[$]", "a", false),
        (r"^$", "\n", true),
        (r"^.$", "\r", false),
        (r"^.$", "\u{85}", false),
        (r"^.$", "\u{2029}", false),
        (r"^a.b$", "a\nb", false),
        (r"(?s)^a.b$", "a\u{2028}b", true),
        (r"(?s:a.b).", "a\nb\n", false),
        (r"(?d)^a.b$", "a\rb", true),
        (r"(?d)a$", "a\r", false),
        (r"[.]", "x", false),
        (r"(?m)^b$", "a\rb\u{85}c", true),
        (r"(?m)^b$", "a\r\nb\r\n", true),
        (r"(?m)a\r$", "a\r\n", false),
        (r"(?m)^$", "a\r\nb", false),
        (r"(?m)a$", "a\u{2029}b", true),
        (r"(?m-m)^b", "a\nb", false),
        (r"(?i)straße", "STRAßE", true),
        (r"(?i)ä", "Ä", false),
        (r"(?iu)ä", "Ä", true),
        (r"(?i)k", "\u{212A}", false),
        (r"(?i)[^a-c]", "B", false),
        (r"(?i)^[x-z_]+$", "xY_Z", true),
        (r"(?i)[à-ý]", "É", false),
        (r"(?iu)[à-ý]", "É", true),
        (r"^(?i:a)b$", "Ab", true),
        (r"^(?i:a)b$", "AB", false),
        (r"(?i)^\Qa.\E\x62$", "A.B", true),
        (r"(?i)^(?<name>a)\k<name>$", "aA", true),
        (r"(?x) a b # (comment", "ab", true),
        (r"(?U)^\w$", "ó", true),
        (r"^[]a]$", "]", true),
    ]);
}

#[test]
fn faults_stay_faults() {
    for pattern in ["\\", r"\p{Nope}", "(\\w", r"[\w", r"\Q(\E(", "(?R)a"] {
        assert!(Regex::new(pattern, Use::Test).is_err(), "{pattern}");
    }
}

/// Patterns with a text that they find something in, or not.
const CLASSES: &[(&str, &str, bool)] = &[
    (r"(?i)[\x41-\x43]", "_", false),
    (r"(?i)[\x41-\x43]", "b", true),
    (r"(?i)[\u0061-c]", "B", true),
    (r"(?i)[a-\x63]", "_", false),
    (r"(?i)[\Qa\E-c]", "B", true),
    (r"(?i)[@-\[]", "q", true),
    (r"(?i)[@-\[]", "_", false),
    (r"(?i)^\p{Upper}+$", "abc", true),
    (r"(?i)^\p{Lower}+$", "ABC", true),
    (r"(?i)^\p{Lu}+$", "abc", true),
    (r"(?i)^[\p{Ll}]+$", "ABC", true),
    (r"(?i)^[^\p{Ll}]$", "A", false),
    (r"(?i)^\P{Lu}$", "a", false),
    (r"(?i)^\p{Lt}$", "a", true),
    (r"(?i)^\p{IsUppercase}$", "a", true),
    (r"(?i)^\p{Lu}$", "\u{E4}", true),
    (r"(?iu)^\p{Upper}$", "a", true),
    (r"^[\w-.]+$", "a-.", true),
    (r"[\w-.]", ",", false),
    (r"^[\w-\.]+$", "a-.", true),
    (r"^[\w-\.]+@([\w-]+\.)+[\w-]{2,4}$", "a.b-c@d-e.com", true),
    (r"^[\w-a-c]+$", "b-", true),
    (r"\<a\>", "<a>", true),
    (r"\<a\>", "a", false),
    (r"[ --]", "+", true),
    (r"[ --]", ".", false),
    (r"[+--]", ",", true),
    (r"[+--]", ".", false),
    (r"[,--.]", "-", true),
    (r"[,--.]", "/", false),
    (r"[a~~b]", "~", true),
    (r"[a~~b]", "c", false),
    (r"[[:alpha:]]", ":", true),
    (r"[[:alpha:]]", "b", false),
    (r"[[:alpha:]]", "l", true),
    (r"(?x)[a b]", " ", false),
    (r"(?x)[a b]", "b", true),
    (r"(?x)[a - c]", "b", true),
    (r"(?x)[a\ b]", " ", true),
    (r"\p{Space}", "\u{A0}", false),
    (r"\p{Space}", "\u{B}", true),
    (r"[a&&]", "a", true),
    (r"[a&&]", "b", false),
    (r"[&&a]", "a", true),
    (r"[a&&b&&c]", "c", false),
    (r"[ab&&[bc]d]", "b", true),
    (r"[ab&&[bc]d]", "d", false),
    (r"[a-z&&[^aeiou]]", "e", false),
    (r"[a-z&&[^aeiou]]", "f", true),
    (r"[^a-z&&b]", "b", false),
    (r"[^a-z&&b]", "c", true),
    (r"[a&b]", "&", true),
    (r"[a-]", "-", true),
    (r"[-a]", "-", true),
    (r"[a-[b]]", "-", true),
    (r"[a^]", "^", true),
    (r"[]a]", "]", true),
    (r"[^]a]", "]", false),
    (r"[^]a]", "b", true),
    (r"[\x{1F600}-\x{1F610}]", "a", false),
    (r"[\t-\r]", "\u{A}", true),
    (r"[\a\e]", "a", false),
    (r"[\d-z]", "y", false),
    (r"[\d-z]", "-", true),
    (r"[\p{L}-z]", "-", true),
    (r"[a&&&&b]", "a", false),
    (r"[a&&&b]", "b", true),
    (r"(?i)^[a-z&&[^B]]$", "b", false),
    (r"[a-c[x-z]]", "y", true),
    (r"[\Q^]-\E]", "^", true),
    (r"[\Q^]-\E]", "]", true),
    (r"(?m)^", "", false),
    (r"(?iu)\w", "\u{212A}", false),
    (r"(?i)[^\x61]", "A", false),
    (r"(?i)\Q[a\E", "[A", true),
    (r"[\w\-]", "-", true),
    (r"[\d.-]", "-", true),
    (r"[\[\]]", "]", true),
    (r"[\^a]", "^", true),
    (r"[\-a]", "-", true),
    (r"[a\-z]", "b", false),
    (r"[a&&[&]]", "&", false),
    (r"[*--]", "+", true),
    (r"[|~~|]", "~", true),
    (r"[\P{L}\P{N}]", "a", true),
    (r"[\p{L}&&[^\p{Lu}]]", "A", false),
    (r"[\p{L}&&[^\p{Lu}]]", "a", true),
    (r"(?U)^[\w]+$", "\u{E9}", true),
    (r"(?x)[ \t]", " ", false),
    (r"(?x)\Qa b\E", "a b", true),
    (r"(?x) a \  b", "a b", true),
    (r"^\p{Space}+$", "\u{9}\u{A}\u{B}\u{C}\u{D} ", true),
    (r"^[\p{Space}]$", "\u{A0}", false),
    (r"\u0041\x{42}\x43", "ABC", true),
    (r"\uD83D\uDE00", "\u{1F600}", true),
    (r"\-\!\@\#\%\&\_\~\`", "-!@#%&_~`", true),
    (r"(?x)\#", "#", true),
    (r"(?i)[W-\x63]", "C", true),
    (r"(?i)[W-\x63]", "d", false),
    (r"(?i)[k]", "\u{212A}", false),
    (r"(?iu)[k]", "\u{212A}", true),
    (r"(?m)^b$", "a\u{D}\u{A}b\u{D}\u{A}", true),
    (r"(?m)$\n", "a\u{D}\u{A}", false),
    (r"(?m)^a", "\u{2028}a", true),
    (r"(?m)\r$", "a\u{D}\u{A}", false),
    (r"(?m)^\n", "a\u{D}\u{A}", false),
    (r"a$\n", "a\u{A}", true),
    (r"(a)$", "a\u{D}\u{A}", true),
    (r"a\r$", "a\u{D}\u{A}", false),
    (r"(a)$", "a\u{2028}", true),
    (r"(a)$|b", "a\u{A}", true),
    (r"(?md)a$", "a\u{D}", false),
    (r"(?md:a$)|c$", "a\u{D}", false),
    (r"(?d)(a)$", "a\u{A}", true),
    (r"a++$", "aa\u{A}", true),
    (r"(?=a)a$", "a\u{A}\u{A}", false),
    (r"^(?=.*\d)(?=.*[a-z]).{3,}$", "ab1\u{A}", true),
    (r"(?<=\n)target", "x\u{A}target", true),
    (r"\ba", "\u{E9}a", false),
    (r"(a+)\1$", "aaaa\u{A}", true),
    (r"a{2,}?b*+c", "aabbc", true),
    (r"[\u0000-\uFFFF]", "a", true),
    (r"[^\n]", "\u{A}", false),
    (r"[\x5b-\x5d]", "\\", true),
    (r"\p{L}\pL", "ab", true),
    (r"[\pL]", "a", true),
    (r"\p{IsLatin}", "a", true),
    (r"\p{IsAlphabetic}", "a", true),
    (r"\p{gc=Lu}", "A", true),
    (r"(?i)\p{gc=Lu}", "a", true),
    (r"(?i)[\P{Lower}]", "A", false),
    (r"(?i)[^\W]", "a", true),
    (r"a|", "b", true),
    (r"[a-z&&[def]&&[e]]", "d", false),
    (r"[a-z&&def&&[^e]]", "e", false),
    (r"[a-z&&def&&[^e]]", "d", true),
    (r"[[a-c]&&[b-d]x]", "x", false),
    (r"[^[a-c]x]", "x", false),
    (r"[^[a-c]x]", "b", false),
    (r"[^a[b]]", "b", false),
    (r"[^&&a]", "a", false),
];

#[test]
fn classes_are_read_as_java_reads_them() {
    check(CLASSES);
}

#[test]
fn what_java_refuses_is_refused() {
    for pattern in [
        r"^[.-\w]+$",
        r"^[a-\w]+$",
        r"(?x)[a #x\nb\n]",
        r"[]",
        r"[\b]",
        r"\y",
        r"[z-a]",
        r"[a-\d]",
        r"[a-\p{L}]",
        r"\u{41}",
        r"(?x)[#a]",
        r"[\E]",
        r"a{,3}",
        r"[&&&a]",
        r"[a--b]",
        // These are Java's; they are not known here.
        r"\0101",
        r"\cA",
        r"\X",
        r"\p{InGreek}",
        r"\b{g}",
        r"[\cA]",
    ] {
        assert!(Regex::new(pattern, Use::Test).is_err(), "{pattern}");
    }
    let fault = |pattern| Regex::new(pattern, Use::Test).err().unwrap_or_default();
    assert_eq!(fault(r"\cA"), r"the escape `\c` is not known here");
    assert_eq!(fault(r"\p{InGreek}"), r"the block of characters `\p{InGreek}` is not known here");
    assert_eq!(fault("[z-a]"), "the range of characters `z-a` ends before it begins");
}
