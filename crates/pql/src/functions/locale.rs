//! How people of a locale write numbers, amounts of money, months and days: as the Unicode tables (CLDR) have it.
//!
//! Always: a locale that is not listed is unknown, never taken for another.

/// How numbers are written.
#[derive(Debug)]
pub(super) struct Locale {
    /// `language_COUNTRY`.
    tag: &'static str,
    decimal: char,
    group: &'static str,
    /// Before (true) or behind the number, with what stands between.
    currency: (&'static str, bool),
    /// Decimals of an amount.
    decimals: usize,
    /// Digits of a group; of the groups above the lowest.
    groups: (usize, usize),
    /// The digit for 0.
    zero: char,
}

const fn locale(
    tag: &'static str,
    decimal: char,
    group: &'static str,
    symbol: &'static str,
    before: bool,
    decimals: usize,
) -> Locale {
    Locale { tag, decimal, group, currency: (symbol, before), decimals, groups: (3, 3), zero: '0' }
}

const NARROW: &str = "\u{202f}";
const SPACE: &str = "\u{a0}";

const LOCALES: &[Locale] = &[
    locale("en_US", '.', ",", "$", true, 2),
    locale("en_GB", '.', ",", "£", true, 2),
    locale("en_IE", '.', ",", "€", true, 2),
    locale("en_CA", '.', ",", "$", true, 2),
    locale("en_AU", '.', ",", "$", true, 2),
    locale("en_NZ", '.', ",", "$", true, 2),
    Locale { groups: (3, 2), ..locale("en_IN", '.', ",", "₹", true, 2) },
    locale("de_DE", ',', ".", "\u{a0}€", false, 2),
    locale("de_AT", ',', SPACE, "€\u{a0}", true, 2),
    locale("de_CH", '.', "’", "CHF\u{a0}", true, 2),
    locale("fr_FR", ',', NARROW, "\u{a0}€", false, 2),
    locale("fr_BE", ',', NARROW, "\u{a0}€", false, 2),
    locale("fr_CA", ',', SPACE, "\u{a0}$", false, 2),
    locale("it_IT", ',', ".", "\u{a0}€", false, 2),
    locale("es_ES", ',', ".", "\u{a0}€", false, 2),
    locale("es_MX", '.', ",", "$", true, 2),
    locale("pt_PT", ',', SPACE, "\u{a0}€", false, 2),
    locale("pt_BR", ',', ".", "R$\u{a0}", true, 2),
    locale("nl_NL", ',', ".", "€\u{a0}", true, 2),
    locale("da_DK", ',', ".", "\u{a0}kr.", false, 2),
    locale("sv_SE", ',', SPACE, "\u{a0}kr", false, 2),
    locale("fi_FI", ',', SPACE, "\u{a0}€", false, 2),
    locale("pl_PL", ',', SPACE, "\u{a0}zł", false, 2),
    locale("cs_CZ", ',', SPACE, "\u{a0}Kč", false, 2),
    locale("tr_TR", ',', ".", "₺", true, 2),
    locale("ja_JP", '.', ",", "￥", true, 0),
    locale("zh_CN", '.', ",", "¥", true, 2),
    locale("ko_KR", '.', ",", "₩", true, 0),
    Locale { zero: '٠', ..locale("ar_EG", '٫', "٬", "\u{a0}ج.م.\u{200f}", false, 2) },
];

/// The locale of a tag; `-` is taken for `_`.
pub(super) fn find(tag: &str) -> Option<&'static Locale> {
    LOCALES.iter().find(|known| known.tag == tag.replace('-', "_"))
}

/// The tags of all locales, for messages.
pub(super) fn tags() -> String {
    LOCALES.iter().map(|known| known.tag).collect::<Vec<_>>().join(", ")
}

impl Locale {
    /// At most three decimals, half to even.
    pub(super) fn number(&self, number: f64) -> String {
        let text = format!("{number:.3}");
        self.localized(text.trim_end_matches('0').trim_end_matches('.'))
    }

    /// An amount of money.
    pub(super) fn amount(&self, number: f64) -> String {
        let text = format!("{number:.*}", self.decimals);
        let text = self.localized(&text);
        let (sign, text) = text.strip_prefix('-').map_or(("", text.as_str()), |rest| ("-", rest));
        match self.currency {
            (symbol, true) => format!("{sign}{symbol}{text}"),
            (symbol, false) => format!("{sign}{text}{symbol}"),
        }
    }

    fn localized(&self, text: &str) -> String {
        let zero = text.bytes().all(|b| matches!(b, b'-' | b'0' | b'.'));
        let (sign, text) = text.strip_prefix('-').map_or(("", text), |rest| (if zero { "" } else { "-" }, rest));
        let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
        let mut out = String::from(sign);
        for (at, digit) in whole.chars().enumerate() {
            let left = whole.len() - at;
            let (lowest, upper) = self.groups;
            if at > 0 && left >= lowest && (left - lowest).is_multiple_of(upper) {
                out.push_str(self.group);
            }
            out.push(self.digit(digit));
        }
        if !fraction.is_empty() {
            out.push(self.decimal);
            out.extend(fraction.chars().map(|digit| self.digit(digit)));
        }
        out
    }

    fn digit(&self, digit: char) -> char {
        let value = digit.to_digit(10).unwrap_or(0);
        char::from_u32(u32::from(self.zero) + value).unwrap_or(digit)
    }
}

/// Months and days of a language.
#[derive(Debug)]
pub(super) struct Names {
    language: &'static str,
    pub(super) months: [&'static str; 12],
    pub(super) months_short: [&'static str; 12],
    /// Monday first.
    pub(super) days: [&'static str; 7],
    pub(super) days_short: [&'static str; 7],
}

pub(super) const ENGLISH: &Names = &LANGUAGES[0];

const LANGUAGES: &[Names] = &[
    Names {
        language: "en",
        months: [
            "January",
            "February",
            "March",
            "April",
            "May",
            "June",
            "July",
            "August",
            "September",
            "October",
            "November",
            "December",
        ],
        months_short: ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"],
        days: ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"],
        days_short: ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"],
    },
    Names {
        language: "de",
        months: [
            "Januar",
            "Februar",
            "März",
            "April",
            "Mai",
            "Juni",
            "Juli",
            "August",
            "September",
            "Oktober",
            "November",
            "Dezember",
        ],
        months_short: ["Jan.", "Feb.", "März", "Apr.", "Mai", "Juni", "Juli", "Aug.", "Sept.", "Okt.", "Nov.", "Dez."],
        days: ["Montag", "Dienstag", "Mittwoch", "Donnerstag", "Freitag", "Samstag", "Sonntag"],
        days_short: ["Mo.", "Di.", "Mi.", "Do.", "Fr.", "Sa.", "So."],
    },
    Names {
        language: "fr",
        months: [
            "janvier",
            "février",
            "mars",
            "avril",
            "mai",
            "juin",
            "juillet",
            "août",
            "septembre",
            "octobre",
            "novembre",
            "décembre",
        ],
        months_short: [
            "janv.", "févr.", "mars", "avr.", "mai", "juin", "juil.", "août", "sept.", "oct.", "nov.", "déc.",
        ],
        days: ["lundi", "mardi", "mercredi", "jeudi", "vendredi", "samedi", "dimanche"],
        days_short: ["lun.", "mar.", "mer.", "jeu.", "ven.", "sam.", "dim."],
    },
    Names {
        language: "es",
        months: [
            "enero",
            "febrero",
            "marzo",
            "abril",
            "mayo",
            "junio",
            "julio",
            "agosto",
            "septiembre",
            "octubre",
            "noviembre",
            "diciembre",
        ],
        months_short: ["ene", "feb", "mar", "abr", "may", "jun", "jul", "ago", "sept", "oct", "nov", "dic"],
        days: ["lunes", "martes", "miércoles", "jueves", "viernes", "sábado", "domingo"],
        days_short: ["lun", "mar", "mié", "jue", "vie", "sáb", "dom"],
    },
    Names {
        language: "it",
        months: [
            "gennaio",
            "febbraio",
            "marzo",
            "aprile",
            "maggio",
            "giugno",
            "luglio",
            "agosto",
            "settembre",
            "ottobre",
            "novembre",
            "dicembre",
        ],
        months_short: ["gen", "feb", "mar", "apr", "mag", "giu", "lug", "ago", "set", "ott", "nov", "dic"],
        days: ["lunedì", "martedì", "mercoledì", "giovedì", "venerdì", "sabato", "domenica"],
        days_short: ["lun", "mar", "mer", "gio", "ven", "sab", "dom"],
    },
    Names {
        language: "nl",
        months: [
            "januari",
            "februari",
            "maart",
            "april",
            "mei",
            "juni",
            "juli",
            "augustus",
            "september",
            "oktober",
            "november",
            "december",
        ],
        months_short: ["jan", "feb", "mrt", "apr", "mei", "jun", "jul", "aug", "sep", "okt", "nov", "dec"],
        days: ["maandag", "dinsdag", "woensdag", "donderdag", "vrijdag", "zaterdag", "zondag"],
        days_short: ["ma", "di", "wo", "do", "vr", "za", "zo"],
    },
    Names {
        language: "pt",
        months: [
            "janeiro",
            "fevereiro",
            "março",
            "abril",
            "maio",
            "junho",
            "julho",
            "agosto",
            "setembro",
            "outubro",
            "novembro",
            "dezembro",
        ],
        months_short: ["jan.", "fev.", "mar.", "abr.", "mai.", "jun.", "jul.", "ago.", "set.", "out.", "nov.", "dez."],
        days: ["segunda-feira", "terça-feira", "quarta-feira", "quinta-feira", "sexta-feira", "sábado", "domingo"],
        days_short: ["seg.", "ter.", "qua.", "qui.", "sex.", "sáb.", "dom."],
    },
];

/// The names in the language of a tag, whatever its country.
pub(super) fn names(tag: &str) -> Option<&'static Names> {
    let language = tag.split(['_', '-']).next().unwrap_or_default();
    LANGUAGES.iter().find(|known| known.language == language)
}

/// The languages that have names, for messages.
pub(super) fn languages() -> String {
    LANGUAGES.iter().map(|known| known.language).collect::<Vec<_>>().join(", ")
}
