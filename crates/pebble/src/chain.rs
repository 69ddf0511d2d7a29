//! Templates that use each other: `extends`, `include`, `embed` and imports, and the calls of blocks and macros.
//!
//! In: tags and names. Out: text in the caller's buffer, or the macro of a name. Always: what is called sees the chain
//! of the template that is rendered, from where it was found; includes and embeds begin a chain of their own.

use crate::error::{Fault, Phase, Raised, fault};
use crate::render::Renderer;
use crate::scope::{Held, NULL, Val};
use crate::template::Template;
use crate::tree::*;
use crate::value::Value;

/// Whose macros `from … import` adds to: an `embed` works on copies of its template.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Owner {
    Template(*const Template),
    Copy(usize),
}

/// One template of a chain.
#[derive(Clone, Copy)]
pub(crate) struct Layer<'a> {
    template: &'a Template,
    owner: Owner,
    /// The blocks of an `embed`, which go before those of its template, and the template that they stand in.
    front: Option<(&'a Template, &'a Blocks)>,
    /// The second layer of an `embed` has blocks and a body, but no macros.
    bare: bool,
}

impl<'a> Layer<'a> {
    fn of(template: &'a Template) -> Self {
        Layer { template, owner: Owner::Template(template), front: None, bare: false }
    }

    /// A block, and the template that it stands in.
    fn block(&self, name: &str) -> Option<(&'a Template, &'a [Node])> {
        let front = self.front.and_then(|(host, blocks)| Some((host, blocks.get(name)?)));
        let (template, body) = front.or_else(|| Some((self.template, self.template.blocks.get(name)?)))?;
        Some((template, body))
    }
}

/// Child, parent, grandparent …, and which of them is rendered.
#[derive(Default)]
struct Chain<'a> {
    layers: Vec<Layer<'a>>,
    current: usize,
    /// What stands for the youngest while a macro of an imported template runs.
    guest: Option<Layer<'a>>,
    /// An `extends` of null ends a chain for good.
    closed: bool,
}

impl<'a> Chain<'a> {
    fn has_parent(&self) -> bool {
        self.current + 1 < self.layers.len()
    }

    /// The layer that is rendered.
    fn here(&self) -> Option<Layer<'a>> {
        let guest = self.guest.filter(|_| self.current == 0);
        guest.or_else(|| self.layers.get(self.current).copied())
    }

    /// Where a search begins: at the youngest.
    fn youngest(&self) -> Option<Layer<'a>> {
        let guest = self.guest.filter(|_| self.current == 0);
        guest.or_else(|| self.layers.first().copied())
    }
}

/// A macro copied by `from … import`.
struct Copied<'a> {
    into: Owner,
    name: &'a str,
    /// Where it stands.
    source: &'a Template,
    found: &'a Macro,
}

/// What a render has got from other templates.
#[derive(Default)]
pub(crate) struct Links<'a> {
    chain: Chain<'a>,
    /// `None` is the import of null, which fails once it is searched.
    imported: Vec<Option<&'a Template>>,
    aliases: Vec<&'a str>,
    copied: Vec<Copied<'a>>,
    /// How many copies embeds have made.
    copies: usize,
}

/// A macro that was found, and where in the chain it runs.
#[derive(Clone, Copy)]
pub(crate) struct Called<'a> {
    current: usize,
    guest: Option<Layer<'a>>,
    source: &'a Template,
    found: &'a Macro,
}

type Positional<'a> = Vec<Val<'a>>;
type Named<'a> = Vec<(&'a str, Val<'a>)>;

impl<'a> Renderer<'a> {
    /// Renders a template that uses others, or has blocks.
    pub(crate) fn run_linked(&mut self, out: &mut String) -> Raised<()> {
        self.links.chain.layers.push(Layer::of(self.template));
        self.layer(out)
    }

    /// Renders the current layer, then its parent if it has got one.
    fn layer(&mut self, out: &mut String) -> Raised<()> {
        let layer = self.links.chain.layers[self.links.chain.current];
        let outer = std::mem::replace(&mut self.template, layer.template);
        for node in &layer.template.body {
            let of_child = match node {
                Node::Set(_) => true,
                Node::Import(import) => !matches!(import.form, ImportForm::Names(_)),
                _ => false,
            };
            if of_child || !self.links.chain.has_parent() {
                self.node(node, out).map_err(|f| self.named(f))?;
            }
        }
        self.template = outer;
        if self.links.chain.has_parent() {
            self.links.chain.current += 1;
            self.deeper(false, |r| r.layer(out))?;
            self.links.chain.current -= 1;
        }
        Ok(())
    }

    #[cold]
    pub(crate) fn named(&self, fault: Box<Fault>) -> Box<Fault> {
        fault.within(Phase::Render, &self.template.name, &self.template.source)
    }

    /// A template by its name, which is a string or null.
    fn named_template(&mut self, name: &'a Expr) -> Raised<Option<&'a Template>> {
        let name = self.value(name)?;
        let name = match &*name {
            Value::Null => return Ok(None),
            Value::Str(name) => name.as_str(),
            other => return Err(fault(format!("the name of a template is a string, not {}", other.kind()))),
        };
        match self.set.get(name) {
            Some(Ok(template)) => Ok(Some(template)),
            Some(Err(error)) => {
                let mut fault = fault(error.message.clone());
                fault.done = Some(crate::error::Error { phase: Phase::Render, ..error });
                Err(fault)
            }
            None => {
                let mut fault = fault(format!("there is no template `{}`", crate::error::shorten(name)));
                fault.suggestion = crate::error::nearest(name, self.set.names());
                Err(fault)
            }
        }
    }

    pub(crate) fn include(&mut self, include: &'a Include, out: &mut String) -> Raised<()> {
        let Some(template) = self.named_template(&include.template)? else {
            return Err(fault("the name of the template is null"));
        };
        let mut with = Vec::with_capacity(include.with.len());
        for (key, value) in &include.with {
            let key = match &*self.value(key)? {
                Value::Null => String::new(),
                Value::Str(key) => key.to_string(),
                other => return Err(fault(format!("the name of a variable is a string, not {}", other.kind()))),
            };
            with.push((key, self.value(value)?.owned()));
        }
        let layers = match &include.blocks {
            Some(blocks) => self.embedded(template, blocks)?,
            None => vec![Layer::of(template)],
        };
        let mark = self.scopes.mark();
        // An empty name of no variable keeps the scope's place.
        self.scopes.push("", 0, Val::Ref(&NULL));
        for (key, value) in with {
            let hash = hash(&key);
            self.scopes.push(key, hash, Val::Own(value));
        }
        let outer = std::mem::replace(&mut self.links.chain, Chain { layers, ..Chain::default() });
        let done = self.deeper(false, |r| r.layer(out));
        self.links.chain = outer;
        self.scopes.release(mark);
        done
    }

    /// The chain of an `embed`: a copy of its template with the blocks in front, then the template again as the parent.
    fn embedded(&mut self, template: &'a Template, blocks: &'a Blocks) -> Raised<Vec<Layer<'a>>> {
        let [copy, parent] = [1, 2].map(|more| Owner::Copy(self.links.copies + more));
        self.links.copies += 2;
        let (into, length) = (Owner::Template(template), self.links.copied.len());
        self.step(length as u64)?;
        for at in 0..length {
            let Copied { name, source, found, .. } = self.links.copied[at];
            if self.links.copied[at].into == into {
                self.charge(size_of::<Copied<'_>>())?;
                self.links.copied.push(Copied { into: copy, name, source, found });
            }
        }
        let front = Some((self.template, blocks));
        let first = Layer { template, owner: copy, front, bare: false };
        Ok(vec![first, Layer { template, owner: parent, front: None, bare: true }])
    }

    pub(crate) fn extends(&mut self, parent: &'a Expr) -> Raised<()> {
        let parent = self.named_template(parent)?;
        let chain = &mut self.links.chain;
        match parent {
            None => chain.closed = true,
            Some(_) if chain.layers.len() > self.limits.depth => {
                return Err(fault("templates extend each other without end"));
            }
            Some(template) if !chain.closed => chain.layers.push(Layer::of(template)),
            Some(_) => {}
        }
        Ok(())
    }

    pub(crate) fn import(&mut self, import: &'a Import) -> Raised<()> {
        let template = self.named_template(&import.template)?;
        // What is imported stays, so every import makes the next search longer.
        self.charge(64)?;
        match &import.form {
            ImportForm::All => self.links.imported.push(template),
            ImportForm::As(alias) => {
                self.changed.spend(self.links.aliases.len() as u64);
                if self.links.aliases.contains(&alias.as_str()) {
                    return Err(fault(format!("`{alias}` names an import already")));
                }
                self.links.aliases.push(alias);
                self.scopes.push(alias.as_str(), hash(alias), Val::Macros(template));
            }
            ImportForm::Names(names) => {
                for (name, alias) in names {
                    let template = template.ok_or_else(|| fault("the name of the template is null"))?;
                    self.copy_macro(template, name, alias)?;
                }
            }
        }
        Ok(())
    }

    fn copy_macro(&mut self, from: &'a Template, name: &str, alias: &'a str) -> Raised<()> {
        let Some((source, found)) = self.own(&Layer::of(from), name) else {
            return Err(fault(format!("`{}` has no macro `{name}`", from.name)));
        };
        let here = self.links.chain.here().unwrap_or_else(|| Layer::of(self.template));
        if self.own(&here, alias).is_some() {
            return Err(fault(format!("there is a macro `{alias}` already")));
        }
        self.charge(size_of::<Copied<'_>>())?;
        self.links.copied.push(Copied { into: here.owner, name: alias, source, found });
        Ok(())
    }

    /// Renders a block: the version of the youngest template that has one.
    pub(crate) fn block(&mut self, name: &str, out: &mut String) -> Raised<()> {
        let chain = &self.links.chain;
        let Some(youngest) = chain.youngest() else { return Ok(()) };
        if let Some(found) = youngest.block(name) {
            let guest = chain.guest.filter(|_| chain.current == 0);
            return self.block_at(0, guest, found, out);
        }
        self.block_from(1, name, out)
    }

    /// Renders the parent's version of a block; outside any block that is nothing.
    pub(crate) fn parent_block(&mut self, name: Option<&str>, out: &mut String) -> Raised<()> {
        if !self.links.chain.has_parent() {
            return Err(fault("`parent()` stands in a template that extends nothing"));
        }
        name.map_or(Ok(()), |name| self.block_from(self.links.chain.current + 1, name, out))
    }

    fn block_from(&mut self, from: usize, name: &str, out: &mut String) -> Raised<()> {
        let layers = self.links.chain.layers.iter().enumerate().skip(from);
        let found = layers.filter_map(|(at, layer)| Some((at, layer.block(name)?))).next();
        found.map_or(Ok(()), |(at, found)| self.block_at(at, None, found, out))
    }

    fn block_at(
        &mut self,
        at: usize,
        guest: Option<Layer<'a>>,
        (template, body): (&'a Template, &'a [Node]),
        out: &mut String,
    ) -> Raised<()> {
        let outer = (self.links.chain.current, self.links.chain.guest);
        (self.links.chain.current, self.links.chain.guest) = (at, guest);
        let template = std::mem::replace(&mut self.template, template);
        let done = self.deeper(false, |r| r.nodes(body, out));
        let done = done.map_err(|f| if f.span.is_some() { self.named(f) } else { f });
        self.template = template;
        (self.links.chain.current, self.links.chain.guest) = outer;
        done
    }

    /// The macros of one layer: copied ones and its own.
    fn own(&self, layer: &Layer<'a>, name: &str) -> Option<(&'a Template, &'a Macro)> {
        self.changed.spend(self.links.copied.len() as u64);
        let copied = self.links.copied.iter().find(|c| c.into == layer.owner && c.name == name);
        let own = || layer.template.macros.get(name).filter(|_| !layer.bare).map(|m| (layer.template, m));
        copied.map(|c| (c.source, c.found)).or_else(own)
    }

    /// The macro of a name: of the youngest template of the chain, an imported one, or a parent's. With an alias
    /// before the name its template comes first, unless a parent is rendered.
    pub(crate) fn find_macro(&self, name: &str, alias: Option<&'a Template>) -> Raised<Option<Called<'a>>> {
        let chain = &self.links.chain;
        let guest = if chain.current > 0 { None } else { alias.map(Layer::of).or(chain.guest) };
        let youngest = guest.or(chain.layers.first().copied()).unwrap_or_else(|| Layer::of(self.template));
        if let Some((source, found)) = self.own(&youngest, name) {
            return Ok(Some(Called { current: 0, guest, source, found }));
        }
        self.changed.spend(self.links.imported.len() as u64);
        for template in &self.links.imported {
            let Some(template) = template else { return Err(fault("a template was imported whose name is null")) };
            let layer = Layer::of(template);
            if let Some((source, found)) = self.own(&layer, name) {
                return Ok(Some(Called { current: 0, guest: Some(layer), source, found }));
            }
        }
        let mut parents = chain.layers.iter().enumerate().skip(1);
        Ok(parents.find_map(|(current, layer)| {
            let (source, found) = self.own(layer, name)?;
            Some(Called { current, guest: None, source, found })
        }))
    }

    /// Calls a macro. Its arguments are evaluated where it was found.
    pub(crate) fn invoke(&mut self, called: Called<'a>, args: &'a Args) -> Raised<Val<'a>> {
        let outer = (self.links.chain.current, self.links.chain.guest);
        (self.links.chain.current, self.links.chain.guest) = (called.current, called.guest);
        let done = self.invoke_here(called, args);
        (self.links.chain.current, self.links.chain.guest) = outer;
        done.map(Val::Own)
    }

    fn invoke_here(&mut self, called: Called<'a>, args: &'a Args) -> Raised<Value> {
        let mut positional = Vec::with_capacity(args.positional.len());
        for arg in &args.positional {
            positional.push(self.eval(arg)?);
        }
        let mut named = Vec::with_capacity(args.named.len());
        for (name, arg) in &args.named {
            named.push((name.as_str(), self.eval(arg)?));
        }
        self.call_macro(called, positional, named)
    }

    /// Calls a macro with arguments that are already evaluated.
    fn call_macro(&mut self, called: Called<'a>, positional: Positional<'a>, named: Named<'a>) -> Raised<Value> {
        let Called { source, found, .. } = called;
        // Every name that is given is looked for among the parameters, and every parameter among the names.
        let looked_at = found.params.len().saturating_mul(1 + named.len()) as u64;
        self.step(1 + (looked_at >> 2) + (positional.len() as u64 >> 2))?;
        // As all callables without declared names, a macro without parameters ignores what it gets.
        let ignores = found.params.is_empty();
        let known = |name: &str| ignores || found.params.iter().any(|(p, _)| p.text == name);
        if positional.len() > found.params.len() && !ignores {
            let message = format!("macro `{}` takes {} arguments", found.name, found.params.len());
            return Err(fault(format!("{message}, {} given", positional.len())));
        }
        if let Some((name, _)) = named.iter().find(|(n, _)| !known(n)) {
            return Err(fault(format!("macro `{}` has no parameter `{name}`", found.name)));
        }
        let outer = std::mem::replace(&mut self.template, source);
        self.scopes.enter_frame();
        let mut text = self.scratch.pop().unwrap_or_default();
        let done = self.deeper(true, |r| {
            r.macro_body(found, positional, named, &mut text)?;
            r.room(&text)
        });
        // Without a place in the macro, the fault belongs to the call.
        let done = done.map_err(|f| if f.span.is_some() { self.named(f) } else { f });
        self.scopes.leave_frame();
        self.template = outer;
        done?;
        self.charge(text.len())?;
        let result = Value::Safe(text.as_str().into());
        self.give_back(text);
        Ok(result)
    }

    fn macro_body(
        &mut self,
        called: &'a Macro,
        positional: Positional<'a>,
        named: Named<'a>,
        text: &mut String,
    ) -> Raised<()> {
        // Defaults know the parameters before them, though not what the call gives those.
        for (param, default) in &called.params {
            let value = match default {
                Some(default) => self.eval(default)?,
                None => Val::Ref(&NULL),
            };
            self.scopes.set(param, value);
        }
        for (i, (param, _)) in called.params.iter().enumerate() {
            let by_name = named.iter().rev().find(|(n, _)| *n == param.text).map(|(_, v)| v.clone());
            if let Some(value) = by_name.or_else(|| positional.get(i).cloned()) {
                self.scopes.set(param, value);
            }
        }
        self.nodes(&called.body, text)
    }

    /// The value whose method is called, or the template that `import … as` has given the name to.
    pub(crate) fn method_base(&mut self, method: &'a Method) -> Raised<Result<Held<'a>, Option<&'a Template>>> {
        if let Some(value) = self.reach(&method.base) {
            return Ok(Ok(Held::Ref(value)));
        }
        Ok(match self.eval(&method.base)? {
            Val::Macros(template) => Err(template),
            other => Ok(self.held(other)),
        })
    }

    /// `k.m(…)`
    pub(crate) fn call_imported(&mut self, template: Option<&'a Template>, method: &'a Method) -> Raised<Val<'a>> {
        // The arguments are evaluated here too, for what they change; what only reads a name changes nothing.
        for arg in &method.args.positional {
            let reads = match arg {
                Expr::Const(_) => true,
                // In strict mode a missing name goes before a missing macro.
                Expr::Var(_) | Expr::Path(_) => !self.strict,
                _ => false,
            };
            if !reads {
                self.eval(arg)?;
            }
        }
        let Some(template) = template else { return Err(fault("the name of the imported template is null")) };
        match self.find_macro(&method.name, Some(template))? {
            Some(called) => self.invoke(called, &method.args),
            None => Err(fault(format!("`{}` has no macro `{}`", template.name, method.name))),
        }
    }
}
