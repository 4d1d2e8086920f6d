//! The evaluator: walks the tree, counts its work, and looks names up.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use indexmap::IndexMap;
use ruff_python_ast::{CmpOp, UnaryOp};

use super::compare::{self, HashKey, Set};
use super::iterate::{Generator, Iter};
use super::object::{Closure, Dict, Obj, Text};
use super::syntax::{Call, Choice, Comprehension, Expr, Item, Made, Node, Piece, Target};
use super::{
    ConditionErrorKind, Fault, Res, builtins, format, methods, number, show, subscript, type_error,
    value_error,
};
use crate::mapping::Mapping;

/// The most work for one evaluation, in steps of a node, an item, or a few bytes of text. Conditions that people write
/// take some dozens; this many take about a tenth of a second and at most some dozen megabytes.
const MAX_STEPS: usize = 1_000_000;
/// Bytes of text that count as a step.
const TEXT_BYTES_A_STEP: usize = 16;
/// The deepest evaluation: nested lambdas can go deeper than the tree does.
const MAX_DEPTH: usize = 2 * super::parse::MAX_DEPTH;

/// A variable of a comprehension or lambda, and those around it.
pub struct Variable<'d> {
    name: &'d str,
    value: Obj<'d>,
    outer: Scope<'d>,
}

/// The variables in sight; none outside comprehensions and lambdas.
pub type Scope<'d> = Option<Rc<Variable<'d>>>;

/// What a function is called with.
pub struct Args<'d> {
    pub positional: Vec<Obj<'d>>,
    pub named: Vec<(Text<'d>, Obj<'d>)>,
}

impl<'d> Args<'d> {
    pub fn of(positional: Vec<Obj<'d>>) -> Self {
        Self { positional, named: Vec::new() }
    }

    /// Takes a named argument out.
    pub fn take(&mut self, name: &str) -> Option<Obj<'d>> {
        let at = self.named.iter().position(|(known, _)| **known == *name)?;
        Some(self.named.remove(at).1)
    }

    /// The positional arguments, if their number is right and none is named.
    pub fn exactly(self, function: &str, least: usize, most: usize) -> Res<Vec<Obj<'d>>> {
        if let Some((name, _)) = self.named.first() {
            return Err(type_error(format!("{function}() got an unexpected keyword argument '{}'", &**name)));
        }
        let count = self.positional.len();
        if count < least || count > most {
            let expected = if least == most { format!("{least}") } else { format!("{least} to {most}") };
            return Err(type_error(format!("{function}() expected {expected} arguments, got {count}")));
        }
        Ok(self.positional)
    }
}

/// One evaluation over one node's data.
pub struct Machine<'d> {
    data: &'d Mapping,
    steps: Cell<usize>,
    depth: Cell<usize>,
}

impl<'d> Machine<'d> {
    pub fn new(data: &'d Mapping) -> Self {
        Self { data, steps: Cell::new(0), depth: Cell::new(0) }
    }

    /// The data as a mapping, which is what `locals()` and `globals()` give.
    pub fn namespace(&self) -> Obj<'d> {
        Obj::Dict(Dict::Data(self.data))
    }

    /// Counts work before it is done.
    pub fn spend(&self, steps: usize) -> Res<()> {
        self.steps.set(self.steps.get().saturating_add(steps));
        if self.steps.get() > MAX_STEPS {
            return Err(Fault::new(
                ConditionErrorKind::Limit,
                format!("too much work: more than {MAX_STEPS} steps"),
            ));
        }
        Ok(())
    }

    /// Counts text before it is made or searched.
    pub fn spend_text(&self, bytes: usize) -> Res<()> {
        self.spend(bytes / TEXT_BYTES_A_STEP)
    }

    pub fn eval(&self, expr: &'d Expr, scope: &Scope<'d>) -> Res<Obj<'d>> {
        self.spend(1)?;
        let depth = self.depth.get() + 1;
        if depth > MAX_DEPTH {
            return Err(
                Fault::new(ConditionErrorKind::Limit, "evaluation is nested too deeply").or_at(expr.at)
            );
        }
        self.depth.set(depth);
        let result = self.node(&expr.node, scope).map_err(|fault| fault.or_at(expr.at));
        self.depth.set(depth - 1);
        result
    }

    fn node(&self, node: &'d Node, scope: &Scope<'d>) -> Res<Obj<'d>> {
        match node {
            Node::None => Ok(Obj::None),
            Node::Ellipsis => Ok(Obj::Ellipsis),
            Node::Bool(flag) => Ok(Obj::Bool(*flag)),
            Node::Int(number) => Ok(Obj::Int(*number)),
            Node::BigInt(number) => Ok(Obj::BigInt(Rc::new(number.clone()))),
            Node::Float(number) => Ok(Obj::Float(*number)),
            Node::Text(text) => Ok(Obj::Text(Text::Data(text))),
            Node::Bytes(bytes) => Ok(Obj::Bytes((**bytes).into())),
            Node::Name(name) => self.name(name, scope),
            Node::List(items) => self.items(items, scope).map(Obj::list),
            Node::Tuple(items) => self.items(items, scope).map(Obj::tuple),
            Node::Set(items) => self.set_of(self.items(items, scope)?),
            Node::Dict(entries) => self.display(entries, scope),
            Node::Attribute(object, name) => methods::attribute(&self.eval(object, scope)?, name),
            Node::Index(parts) => {
                let object = self.eval(&parts.0, scope)?;
                subscript::index(self, &object, &self.eval(&parts.1, scope)?)
            }
            Node::Slice(slice) => {
                let object = self.eval(&slice.value, scope)?;
                let bound = |bound: &'d Option<Expr>| match bound {
                    Some(bound) => self.eval(bound, scope),
                    None => Ok(Obj::None),
                };
                let [start, stop, step] = &slice.bounds;
                subscript::slice(self, &object, &bound(start)?, &bound(stop)?, &bound(step)?)
            }
            Node::Call(call) => self.call_node(call, scope),
            Node::Compare(left, rest) => self.compare(left, rest, scope),
            Node::And(values) => self.first(values, scope, false),
            Node::Or(values) => self.first(values, scope, true),
            Node::Unary(UnaryOp::Not, operand) => Ok(Obj::Bool(!self.eval(operand, scope)?.is_truthy())),
            Node::Unary(op, operand) => number::unary(*op, &self.eval(operand, scope)?),
            Node::Binary(op, operands) => {
                let left = self.eval(&operands.0, scope)?;
                number::binary(self, *op, &left, &self.eval(&operands.1, scope)?)
            }
            Node::If(choice) => self.choose(choice, scope),
            Node::Comprehension(comprehension) => self.comprehension(comprehension, scope),
            Node::Lambda(lambda) => Ok(Obj::Lambda(Rc::new(Closure { lambda, scope: scope.clone() }))),
            Node::Format(pieces) => self.pieces(pieces, scope).map(Obj::text),
        }
    }

    fn name(&self, name: &'d str, scope: &Scope<'d>) -> Res<Obj<'d>> {
        let mut next = scope;
        while let Some(variable) = next {
            if variable.name == name {
                return Ok(variable.value.clone());
            }
            next = &variable.outer;
        }
        if let Some(value) = self.data.get(name) {
            return Ok(Obj::of(value));
        }
        if matches!(name, "locals" | "vars" | "dir") && scope.is_some() {
            return Err(Fault::unsupported(format!("{name} inside a comprehension or lambda")));
        }
        builtins::named(name)
            .ok_or_else(|| Fault::new(ConditionErrorKind::Name, format!("name '{name}' is not defined")))
    }

    /// The items of a list display or a call, starred ones unpacked.
    fn items(&self, items: &'d [Item], scope: &Scope<'d>) -> Res<Vec<Obj<'d>>> {
        let mut objects = Vec::with_capacity(items.len());
        for item in items {
            match item {
                Item::One(expr) => objects.push(self.eval(expr, scope)?),
                Item::All(expr) => {
                    let all = self.eval(expr, scope)?;
                    objects.extend(self.collect(&all).map_err(|fault| fault.or_at(expr.at))?);
                }
            }
        }
        Ok(objects)
    }

    fn display(&self, entries: &'d [(Option<Expr>, Expr)], scope: &Scope<'d>) -> Res<Obj<'d>> {
        let mut all = Vec::with_capacity(entries.len());
        for (key, value) in entries {
            match key {
                Some(key) => all.push((self.eval(key, scope)?, self.eval(value, scope)?)),
                None => match self.eval(value, scope)? {
                    Obj::Dict(dict) => {
                        self.spend(dict.len())?;
                        all.extend(dict.entries());
                    }
                    other => {
                        return Err(type_error(format!("'{}' object is not a mapping", other.type_name())));
                    }
                },
            }
        }
        self.dict(all)
    }

    fn choose(&self, choice: &'d Choice, scope: &Scope<'d>) -> Res<Obj<'d>> {
        let chosen =
            if self.eval(&choice.test, scope)?.is_truthy() { &choice.then } else { &choice.otherwise };
        self.eval(chosen, scope)
    }

    /// The first operand with the given truth, else the last one.
    fn first(&self, values: &'d [Expr], scope: &Scope<'d>, truth: bool) -> Res<Obj<'d>> {
        let mut last = Obj::None;
        for value in values {
            last = self.eval(value, scope)?;
            if last.is_truthy() == truth {
                break;
            }
        }
        Ok(last)
    }

    fn compare(&self, left: &'d Expr, rest: &'d [(CmpOp, Expr)], scope: &Scope<'d>) -> Res<Obj<'d>> {
        let mut left = self.eval(left, scope)?;
        for (op, right) in rest {
            let at = right.at;
            let right = self.eval(right, scope)?;
            if !self.relation(*op, &left, &right).map_err(|fault| fault.or_at(at))? {
                return Ok(Obj::Bool(false));
            }
            left = right;
        }
        Ok(Obj::Bool(true))
    }

    fn relation(&self, op: CmpOp, left: &Obj<'d>, right: &Obj<'d>) -> Res<bool> {
        match op {
            CmpOp::Eq => compare::equal(Some(self), left, right),
            CmpOp::NotEq => Ok(!compare::equal(Some(self), left, right)?),
            CmpOp::Is => Ok(left.is(right)),
            CmpOp::IsNot => Ok(!left.is(right)),
            CmpOp::In => compare::contains(self, right, left),
            CmpOp::NotIn => Ok(!compare::contains(self, right, left)?),
            CmpOp::Lt | CmpOp::LtE | CmpOp::Gt | CmpOp::GtE => compare::ordered(self, op, left, right),
        }
    }

    fn call_node(&self, call: &'d Call, scope: &Scope<'d>) -> Res<Obj<'d>> {
        // Methods are called without being made first.
        let (function, method) = match &call.function.node {
            Node::Attribute(object, name) => (self.eval(object, scope)?, Some(&**name)),
            _ => (self.eval(&call.function, scope)?, None),
        };
        if let Some(name) = method {
            methods::attribute(&function, name).map_err(|fault| fault.or_at(call.function.at))?;
        }
        let positional = self.items(&call.positional, scope)?;
        let named = self.named(&call.named, scope)?;
        let args = Args { positional, named };
        match method {
            Some(name) => self.call_method(&function, name, args),
            None => self.call(&function, args),
        }
    }

    fn named(
        &self,
        given: &'d [(Option<Box<str>>, Expr)],
        scope: &Scope<'d>,
    ) -> Res<Vec<(Text<'d>, Obj<'d>)>> {
        let mut named: Vec<(Text<'d>, Obj<'d>)> = Vec::with_capacity(given.len());
        for (name, value) in given {
            let object = self.eval(value, scope)?;
            let entries = match (name, object) {
                (Some(name), object) => vec![(Obj::Text(Text::Data(name)), object)],
                (None, Obj::Dict(dict)) => dict.entries(),
                (None, other) => {
                    let message = format!("argument after ** must be a mapping, not {}", other.type_name());
                    return Err(type_error(message).or_at(value.at));
                }
            };
            for (key, object) in entries {
                self.spend(1 + named.len())?;
                let Obj::Text(key) = key else {
                    return Err(type_error("keywords must be strings").or_at(value.at));
                };
                if named.iter().any(|(known, _)| **known == *key) {
                    let message = format!("got multiple values for keyword argument '{}'", &*key);
                    return Err(type_error(message).or_at(value.at));
                }
                named.push((key, object));
            }
        }
        Ok(named)
    }

    fn call_method(&self, object: &Obj<'d>, name: &str, args: Args<'d>) -> Res<Obj<'d>> {
        for text in args.positional.iter().chain([object]) {
            if let Obj::Text(text) = text {
                self.spend_text(text.len())?;
            }
        }
        methods::call(self, object, name, args)
    }

    /// Calls an object.
    pub fn call(&self, function: &Obj<'d>, args: Args<'d>) -> Res<Obj<'d>> {
        self.spend(1)?;
        match function {
            Obj::Type(name) | Obj::Function(name) => builtins::call(self, name, args),
            Obj::Method(method) => self.call_method(&method.0, method.1, args),
            Obj::Lambda(closure) => {
                let parameters = &closure.lambda.parameters;
                let values = args.exactly("<lambda>", parameters.len(), parameters.len())?;
                // Even without parameters it has a namespace of its own.
                let mut scope =
                    Some(Rc::new(Variable { name: "", value: Obj::None, outer: closure.scope.clone() }));
                for (name, value) in parameters.iter().zip(values) {
                    scope = Some(Rc::new(Variable { name, value, outer: scope }));
                }
                self.eval(&closure.lambda.body, &scope)
            }
            other => Err(type_error(format!("'{}' object is not callable", other.type_name()))),
        }
    }

    fn comprehension(&self, made: &'d Comprehension, scope: &Scope<'d>) -> Res<Obj<'d>> {
        let generator = Generator::new(self, made, scope)?;
        if made.made == Made::Generator {
            return Ok(Obj::Iter(Rc::new(RefCell::new(Iter::Generator(Box::new(generator))))));
        }
        let mut generator = generator;
        let mut items = Vec::new();
        while let Some(item) = generator.next(self)? {
            items.push(item);
        }
        match made.made {
            Made::Set => self.set_of(items),
            Made::Dict => self.dict_of_pairs(items),
            _ => Ok(Obj::list(items)),
        }
    }

    /// Binds a comprehension's variables.
    pub fn bind(&self, target: &'d Target, value: Obj<'d>, scope: Scope<'d>) -> Res<Scope<'d>> {
        let targets = match target {
            Target::Name(name) => return Ok(Some(Rc::new(Variable { name, value, outer: scope }))),
            Target::Many(targets) => targets,
        };
        let values = self.collect(&value).map_err(|fault| match value {
            Obj::Iter(_) => fault,
            _ => type_error(format!("cannot unpack non-iterable {} object", value.type_name())),
        })?;
        if values.len() < targets.len() {
            let (wanted, found) = (targets.len(), values.len());
            return Err(value_error(format!("not enough values to unpack (expected {wanted}, got {found})")));
        }
        if values.len() > targets.len() {
            return Err(value_error(format!("too many values to unpack (expected {})", targets.len())));
        }
        let mut scope = scope;
        for (target, value) in targets.iter().zip(values) {
            scope = self.bind(target, value, scope)?;
        }
        Ok(scope)
    }

    fn pieces(&self, pieces: &'d [Piece], scope: &Scope<'d>) -> Res<String> {
        let mut text = String::new();
        for piece in pieces {
            match piece {
                Piece::Text(part) => text.push_str(part),
                Piece::Value { value, conversion, spec } => {
                    let object = self.eval(value, scope)?;
                    let object = show::convert(self, object, *conversion)?;
                    let spec = self.pieces(spec, scope)?;
                    let part = format::format(self, &object, &spec).map_err(|fault| fault.or_at(value.at))?;
                    text.push_str(&part);
                }
            }
            self.spend_text(text.len())?;
        }
        Ok(text)
    }

    /// An object as a key of a set or mapping.
    pub fn key(&self, object: Obj<'d>) -> Res<HashKey<'d>> {
        HashKey::new(Some(self), object)
    }

    /// A set of items.
    pub fn set_of(&self, items: Vec<Obj<'d>>) -> Res<Obj<'d>> {
        let set: Set<'d> = items.into_iter().map(|item| self.key(item)).collect::<Res<_>>()?;
        Ok(Obj::Set(Rc::new(set)))
    }

    /// The distinct items of anything that can be iterated over.
    pub fn set(&self, object: &Obj<'d>) -> Res<Rc<Set<'d>>> {
        let set: Set<'d> =
            self.collect(object)?.into_iter().map(|item| self.key(item)).collect::<Res<_>>()?;
        Ok(Rc::new(set))
    }

    /// A mapping of entries, of which later ones win.
    pub fn dict(&self, entries: impl IntoIterator<Item = (Obj<'d>, Obj<'d>)>) -> Res<Obj<'d>> {
        let mut map = IndexMap::new();
        for (key, value) in entries {
            self.spend(1)?;
            map.insert(self.key(key)?, value);
        }
        Ok(Obj::Dict(Dict::Own(Rc::new(map))))
    }

    /// A mapping of pairs.
    pub fn dict_of_pairs(&self, pairs: Vec<Obj<'d>>) -> Res<Obj<'d>> {
        let mut entries = Vec::with_capacity(pairs.len());
        for (at, pair) in pairs.iter().enumerate() {
            let Ok(items) = self.collect(pair) else {
                return Err(type_error(format!(
                    "cannot convert dictionary update sequence element #{at} to a sequence"
                )));
            };
            let [key, value] = &items[..] else {
                let length = items.len();
                return Err(value_error(format!(
                    "dictionary update sequence element #{at} has length {length}; 2 is required"
                )));
            };
            entries.push((key.clone(), value.clone()));
        }
        self.dict(entries)
    }
}
