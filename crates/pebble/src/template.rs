//! Templates, sets of templates, options and limits: the surface of this crate.
//!
//! In: a name and a source, then a context. Out: a compiled template, then text. Always: an error while rendering
//! leaves the caller's buffer as it was.

use crate::budget::RENDER_TIME;
use crate::error::{Error, Phase, Raised, fault};
use crate::escape::Strategy;
use crate::parser::Parser;
use crate::reads::Reads;
use crate::render::Renderer;
use crate::tree::{Blocks, Macro, Node};
use crate::value::Value;
use crate::{java, lexer};
use smol_str::SmolStr;
use std::collections::HashMap;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

/// Which names and tags a template may use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Profile {
    /// All of Pebble.
    #[default]
    Full,
    /// What destinations may use: the tags `filter`, `for`, `if` and `set`, no `range`, and Adobe's own names.
    Destination,
}

/// How a template is read and rendered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    /// Prints are escaped for HTML.
    pub autoescape: bool,
    /// Missing variables and attributes are errors.
    pub strict: bool,
    /// One line break right after a closing delimiter is dropped.
    pub newline_trim: bool,
    /// Names and tags.
    pub profile: Profile,
    /// `{{ dotted-path.with-hyphens }}` and `{{{ path }}}` are looked up as paths before Pebble sees them.
    pub path_macros: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self { autoescape: true, strict: false, newline_trim: true, profile: Profile::Full, path_macros: false }
    }
}

impl Options {
    /// The options of destination templates: line breaks stay, Adobe's names are known.
    pub fn destination() -> Self {
        Self { newline_trim: false, profile: Profile::Destination, ..Self::default() }
    }
}

/// What one render may use. Steps stand in for time, so that a render ends the same way on every machine; time itself
/// only ends what would hold its thread.
#[derive(Clone, Copy)]
pub struct Limits<'l> {
    /// Work: passes, calls, elements compared, every 16 bytes read by a filter and every 64 bytes written or copied
    /// count as one step.
    pub steps: u64,
    /// Time on the machine's clock, for what steps do not foresee; looked at now and then.
    pub time: Option<Duration>,
    /// Asked now and then; `true` ends the render.
    pub out_of_time: Option<&'l dyn Fn() -> bool>,
    /// Bytes of output.
    pub output_bytes: usize,
    /// Passes of all loops together.
    pub loop_passes: u64,
    /// Bytes that values made by the template may hold at a time.
    pub memory_bytes: usize,
    /// Calls of macros and templates inside each other.
    pub depth: usize,
}

impl Default for Limits<'_> {
    fn default() -> Self {
        Self {
            steps: 20_000_000,
            time: Some(RENDER_TIME),
            out_of_time: None,
            output_bytes: 16 << 20,
            loop_passes: 1_000_000,
            memory_bytes: 64 << 20,
            depth: 64,
        }
    }
}

impl std::fmt::Debug for Limits<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Limits")
            .field("steps", &self.steps)
            .field("time", &self.time)
            .field("out_of_time", &self.out_of_time.is_some())
            .field("output_bytes", &self.output_bytes)
            .field("loop_passes", &self.loop_passes)
            .field("memory_bytes", &self.memory_bytes)
            .field("depth", &self.depth)
            .finish()
    }
}

/// A compiled template.
#[derive(Debug)]
pub struct Template {
    pub(crate) name: SmolStr,
    pub(crate) source: Box<str>,
    pub(crate) options: Options,
    pub(crate) body: Vec<Node>,
    pub(crate) blocks: Blocks,
    pub(crate) macros: HashMap<SmolStr, Macro>,
    /// It has no blocks and uses no other template.
    pub(crate) alone: bool,
    /// How many variables have places of their own.
    pub(crate) places: usize,
    /// Bytes that the last render wrote.
    size: AtomicUsize,
}

impl Template {
    /// Checks and compiles a source.
    ///
    /// # Errors
    /// What is wrong with the source, underlined; the phase is [`Phase::Parse`].
    pub fn compile(name: &str, source: &str, options: &Options) -> Result<Template, Error> {
        let parsed = || -> Raised<_> {
            let tokens = lexer::tokens(source, options)?;
            let mut parser = Parser {
                source,
                tokens,
                at: 0,
                options,
                depth: 0,
                escape: options.autoescape.then_some(Strategy::Html),
                hidden: false,
                blocks: Blocks::new(),
                begun: HashMap::new(),
                block_stack: Vec::new(),
                macros: HashMap::new(),
                prefixes: Vec::new(),
                uses_others: false,
            };
            let mut body = parser.template()?;
            let alone = !parser.uses_others && parser.blocks.is_empty();
            let places = if alone { crate::resolve::resolve(&mut body, &mut parser.macros) } else { 0 };
            Ok((body, parser.blocks, parser.macros, alone, places))
        };
        let (body, blocks, macros, alone, places) = parsed().map_err(|f| f.finish(Phase::Parse, name, source))?;
        Ok(Template {
            name: name.into(),
            source: source.into(),
            options: options.clone(),
            body,
            blocks,
            macros,
            alone,
            places,
            size: AtomicUsize::new(source.len()),
        })
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its source.
    pub fn source(&self) -> &str {
        &self.source
    }

    /// Appends what the template gives for a context, which is a map.
    ///
    /// # Errors
    /// What failed, underlined; `out` is then as long as before.
    pub fn render(&self, context: &Value, out: &mut String, limits: &Limits<'_>) -> Result<(), Error> {
        static NONE: OnceLock<Templates> = OnceLock::new();
        self.render_in(NONE.get_or_init(|| Templates::new(Options::default())), context, out, limits)
    }

    /// As [`Template::render`], with other templates at hand for `include`, `extends`, `embed` and `import`.
    ///
    /// # Errors
    /// What failed, underlined; `out` is then as long as before.
    pub fn render_in(
        &self,
        set: &Templates,
        context: &Value,
        out: &mut String,
        limits: &Limits<'_>,
    ) -> Result<(), Error> {
        let start = out.len();
        out.reserve(self.size.load(Ordering::Relaxed));
        let entries = match context {
            Value::Map(map) => map,
            _ => return Err(fault("the context must be a map").finish(Phase::Render, &self.name, &self.source)),
        };
        let done = Renderer::new(self, set, entries, limits, start).run(out);
        if let Err(fault) = done {
            out.truncate(start);
            return Err(fault.finish(Phase::Render, &self.name, &self.source));
        }
        if java::has_halves(&out[start..]) {
            let encoded = java::encode(&out[start..]).into_owned();
            out.truncate(start);
            out.push_str(&encoded);
        }
        self.size.store(out.len() - start, Ordering::Relaxed);
        Ok(())
    }

    /// What the template reads of its context when it is rendered; all if it uses other templates.
    pub fn reads(&self) -> Reads {
        crate::analysis::reads(self)
    }

    /// The paths of [`Template::reads`], such as `input.profile.attributes`, each once and sorted.
    pub fn names_read(&self) -> Vec<String> {
        self.reads().paths()
    }
}

/// Named templates that may use each other; each is compiled when it is first used.
#[derive(Debug, Default)]
pub struct Templates {
    options: Options,
    sources: HashMap<String, Source>,
}

/// A source, and what it was compiled to.
#[derive(Debug)]
struct Source {
    text: String,
    compiled: OnceLock<Result<Box<Template>, Error>>,
}

impl Templates {
    /// An empty set; all its templates share these options.
    pub fn new(options: Options) -> Self {
        Self { options, sources: HashMap::new() }
    }

    /// Adds or replaces a template.
    pub fn insert(&mut self, name: impl Into<String>, source: impl Into<String>) {
        self.sources.insert(name.into(), Source { text: source.into(), compiled: OnceLock::new() });
    }

    /// A template of the set, compiled.
    ///
    /// # Errors
    /// What is wrong with its source.
    pub fn get(&self, name: &str) -> Option<Result<&Template, Error>> {
        let source = self.sources.get(name)?;
        let compile = || Template::compile(name, &source.text, &self.options).map(Box::new);
        let result = source.compiled.get_or_init(compile);
        Some(result.as_ref().map(|t| &**t).map_err(Error::clone))
    }

    /// The names of the set.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.sources.keys().map(String::as_str)
    }
}
